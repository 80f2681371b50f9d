internal import DaxModel
internal import MemoryFailure

/// Processes and threads begin and end.
extension Simulator {
  /// A process that maps nothing, for the actor.
  mutating func startProcess(for actor: Actor) {
    let thread = threads.count
    threads.append(SimulatedThread(process: processes.count, actor: actor.index))
    var process = SimulatedProcess()
    process.threads = [thread]
    processes.append(process)
    slots[actor.index].thread = thread
    slots[actor.index].leader = nil
    slots[actor.index].seenAlive = true
    slots[actor.index].names = NamedRanges()
  }

  /// fork(): the child has the mappings without their pages, the policy and the handlers, but no signal that waits.
  mutating func fork(_ parent: Int, for actor: Actor) {
    let thread = threads.count
    let process = threads[parent].process
    var child = processes[process]
    child.space = processes[process].space.forked()
    child.reserved = processes[process].reserved.forked()
    child.threads = [thread]
    var main = SimulatedThread(process: processes.count, actor: actor.index)
    main.policy = threads[parent].policy
    main.blocksBus = threads[parent].blocksBus
    threads.append(main)
    child.files = []
    processes.append(child)
    forkFiles(process, child: threads[thread].process)
    slots[actor.index].thread = thread
    slots[actor.index].leader = nil
    slots[actor.index].seenAlive = true
    slots[actor.index].names = slots[threads[parent].actor].names
    note(
      "dup_mmap",
      "\(actor.letter) has the mappings of \(name(of: parent)) and no page of them; the policy "
        + "is inherited (\(threads[parent].policy))")
  }

  /// A thread of the same process; it inherits policy and mask.
  mutating func startThread(_ parent: Int, for actor: Actor) {
    let thread = threads.count
    var new = SimulatedThread(process: threads[parent].process, actor: actor.index)
    new.policy = threads[parent].policy
    new.blocksBus = threads[parent].blocksBus
    threads.append(new)
    processes[new.process].threads.append(thread)
    slots[actor.index].thread = thread
    slots[actor.index].leader = threads[parent].actor
    slots[actor.index].names = slots[threads[parent].actor].names
  }

  /// The process is dead: its page-table entries go.
  mutating func end(_ process: Int, _ how: String) {
    guard processes[process].isAlive else { return }
    processes[process].ending = how
    give(back: processes[process].space.removeAll())
    dropFiles(process)
    processes[process].reserved = Reservations()
  }

  /// The coordinator looks which processes have ended.
  mutating func reap() {
    for actor in slots.indices where slots[actor].seenAlive {
      guard let thread = slots[actor].thread else { continue }
      if let ending = processes[threads[thread].process].ending {
        slots[actor].ending = ending
        slots[actor].seenAlive = false
      }
    }
  }

  /// Whether the coordinator thinks the actor, or the process it is a thread of, alive.
  func seemsAlive(_ actor: Int) -> Bool {
    slots[actor].leader.map { slots[$0].seenAlive } ?? slots[actor].seenAlive
  }

  /// How the actor's process ended, as far as the coordinator knows.
  func ending(of actor: Int) -> String { slots[slots[actor].leader ?? actor].ending }

  /// Whether the actor can answer.
  func answers(_ actor: Int) -> Bool {
    guard let thread = slots[actor].thread, seemsAlive(actor) else { return false }
    return processes[threads[thread].process].isAlive
  }
}
