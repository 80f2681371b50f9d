internal import MemoryFailure
internal import PmemBase
internal import Scenario

/// Runs a history in the simulator and judges each step by the naive machine, and by the invariants.
struct StepRun {
  private var machine: Simulator
  private var naive: NaiveMachine
  /// The lines that were carried out.
  private(set) var lines: [String] = []

  private init(_ kernel: KernelBehavior, isXFS: Bool) throws {
    machine = Simulator(kernel: kernel)
    naive = NaiveMachine(kernel, hasReflink: isXFS)
    let setup = [
      "- sh sh lib.sh \(isXFS ? "xfs" : "ext4")", "- mkfile /mnt/f0 32768 0x11",
      "- mkfile /mnt/f1 32768 0x22",
    ]
    for line in setup { try perform(line) }
  }

  /// What differs, and at which step; nil if nothing does. `lines` is the history as a scenario has it.
  static func difference(
    _ steps: [RandomStep], _ kernel: KernelBehavior, isXFS: Bool
  ) -> (step: Int, text: String, lines: [String])? {
    do {
      var run = try StepRun(kernel, isXFS: isXFS)
      for (index, step) in steps.enumerated() {
        if let text = try run.perform(step) { return (index, text, run.lines) }
        // From here on a write may meet the bad block that is free.
        if run.naive.hasFreedBad { return nil }
      }
      if let text = try run.end() { return (steps.count, text, run.lines) }
    } catch {
      return (steps.count, "threw \(error)", [])
    }
    return nil
  }

  /// The lines of a history.
  static func lines(
    _ steps: [RandomStep], _ kernel: KernelBehavior, isXFS: Bool
  ) throws -> [String] {
    var run = try StepRun(kernel, isXFS: isXFS)
    for step in steps where !run.naive.hasFreedBad { _ = try run.perform(step) }
    return run.lines
  }

  @discardableResult
  private mutating func perform(_ line: String) throws -> JSONValue? {
    lines.append(line)
    return try machine.perform(line: line)
  }

  // MARK: Steps

  private mutating func perform(_ step: RandomStep) throws -> String? {
    guard applies(step) else { return nil }
    var size = 4096
    switch step {
    case .load(let actor, let map, _), .store(let actor, let map, _, _),
      .dontNeed(let actor, let map, _), .advise(let actor, let map, _),
      .inject(let actor, let map, _), .machineCheck(let actor, let map, _):
      size = RandomStep.size(naive.map(actor, map)!.object)
    default: break
    }
    let line = step.text(size: size)
    let text: String?
    switch step {
    case .load(let actor, let map, let page):
      text = try touch(line, actor, map, page, value: nil)
    case .store(let actor, let map, let page, let value):
      text = try touch(line, actor, map, page, value: value)
    case .advise(let actor, let map, let page):
      // The page is touched first, so that what the call finds is known.
      let load = RandomStep.load(actor, map, page: page).text(size: size)
      if let text = try touch(load, actor, map, page, value: nil) { return text }
      guard naive.homes[actor] != nil else { return nil }
      text = try fail(line, actor, map, page * size, current: actor, leavesBad: false)
    case .inject(let actor, let map, let page):
      text = try fail(line, actor, map, page * size, current: nil, leavesBad: false)
    case .machineCheck(let actor, let map, let page):
      text = try fail(line, actor, map, page * size, current: nil, leavesBad: true)
    default:
      let row = try perform(line)
      text = follow(step, row)
    }
    return text ?? check()
  }

  /// Whether the step means anything as things are.
  private func applies(_ step: RandomStep) -> Bool {
    func lives(_ actor: Int) -> Bool { naive.homes[actor] != nil }
    switch step {
    case .start(let actor): return !lives(actor)
    case .map(let actor, let map, let object, _, _, let isPrivate):
      return lives(actor) && naive.map(actor, map) == nil && !(isPrivate && object > 1)
    case .unmap(let actor, let map): return naive.map(actor, map) != nil
    case .load(let actor, let map, let page), .store(let actor, let map, let page, _),
      .dontNeed(let actor, let map, let page):
      return naive.map(actor, map).map { page < $0.pages } ?? false
    case .advise(let actor, let map, let page), .inject(let actor, let map, let page),
      .machineCheck(let actor, let map, let page):
      // A private copy is ordinary memory.
      return naive.map(actor, map).map { page < $0.pages && $0.copies[page] == nil } ?? false
    case .fork(let actor, let child): return lives(actor) && !lives(child)
    case .thread(let actor, let new):
      // The probe on a real machine holds what a thread starts for dead, and so does the language.
      return lives(actor) && !lives(new)
        && naive.homes[actor].flatMap { naive.processes[$0] }?.order.first == actor
    case .exit(let actor), .policy(let actor, _), .handler(let actor, _),
      .truncate(let actor, _, _), .punch(let actor, _, _, _):
      return lives(actor)
    case .write(let actor, _, _, _):
      // 6.1 leaves windows with the old blocks of a copy-on-write by pwrite (FT-30); the dictionaries know no old blocks.
      return lives(actor) && !(naive.kernel == .v6_1 && naive.hasReflink)
    case .sysctl: return true
    case .clone(let from, let to): return naive.hasReflink && from != to
    }
  }

  /// What calls do to files and processes, and what they answer.
  private mutating func follow(_ step: RandomStep, _ row: JSONValue?) -> String? {
    var isOK = row?["ok"] == .bool(true)
    switch step {
    case .start(let actor):
      begin(actor, NaiveMachine.Process(threads: [actor: .init()], order: [actor]))
      isOK = true
    case .map(let actor, let map, let object, let page, let pages, let isPrivate):
      naive.processes[naive.homes[actor]!]!.maps[map] = NaiveMachine.Map(
        object: object, page: page, pages: pages, isPrivate: isPrivate)
    case .unmap(let actor, let map):
      naive.processes[naive.homes[actor]!]!.maps[map] = nil
    case .dontNeed(let actor, let map, let page):
      naive.processes[naive.homes[actor]!]!.maps[map]!.copies[page] = nil
    case .fork(let actor, let child):
      var process = naive.processes[naive.homes[actor]!]!
      var thread = process.threads[actor]!
      thread.isPending = false
      process.threads = [child: thread]
      process.order = [child]
      begin(child, process)
    case .thread(let actor, let new):
      let home = naive.homes[actor]!
      var thread = naive.processes[home]!.threads[actor]!
      thread.isPending = false
      naive.processes[home]!.threads[new] = thread
      naive.processes[home]!.order.append(new)
      naive.homes[new] = home
    case .exit(let actor):
      naive.end(naive.homes[actor]!)
      isOK = row?["died"] == .string("exit 0")
    case .policy(let actor, let policy):
      naive.processes[naive.homes[actor]!]!.threads[actor]!.policy = policy
    case .handler(let actor, let how):
      let home = naive.homes[actor]!
      naive.processes[home]!.handler = how == "block" ? "on" : how
      if how == "block" { naive.processes[home]!.threads[actor]!.isBlocked = true }
      if how == "ignore" {
        for other in naive.processes[home]!.order {
          naive.processes[home]!.threads[other]!.isPending = false
        }
      }
    case .sysctl(let isOn):
      naive.early = isOn
      isOK = row?["rc"] == .int(0)
    case .write(_, let file, let page, let pages):
      return write(file, page, pages, row)
    case .truncate(_, let file, let pages): truncate(file, pages)
    case .punch(_, let file, let page, let pages):
      for hole in page..<page + pages where hole < naive.files[file].count {
        naive.replace(file, hole, by: nil)
      }
    case .clone(let from, let to):
      let source = naive.files[from]
      while naive.files[to].count < source.count { naive.files[to].append(nil) }
      for (page, block) in source.enumerated() { naive.replace(to, page, by: block) }
    default: break
    }
    return isOK ? nil : "answered \(row?.text ?? "nothing")"
  }

  private mutating func begin(_ actor: Int, _ process: NaiveMachine.Process) {
    guard let letter = Actor(letter: Self.letter(actor)), let number = machine.process(of: letter)
    else { return }
    naive.homes[actor] = number
    naive.processes[number] = process
  }

  private mutating func truncate(_ file: Int, _ pages: Int) {
    while naive.files[file].count > pages { naive.forget(naive.files[file].removeLast()) }
    while naive.files[file].count < pages { naive.files[file].append(nil) }
    for process in naive.processes.keys {
      for (number, map) in naive.processes[process]!.maps where map.object == file {
        naive.processes[process]!.maps[number]!.copies = map.copies.filter {
          map.page + $0.key < pages
        }
      }
    }
  }

  private mutating func write(
    _ file: Int, _ page: Int, _ pages: Int, _ row: JSONValue?
  ) -> String? {
    let bytes = row?["bytes"]?.int ?? 0
    let touched = (page..<page + pages).filter { $0 < naive.files[file].count }
    let mayFail = touched.contains { page in
      naive.files[file][page].map { naive.blocks[$0]!.isBad } ?? false
    }
    if bytes != pages * 4096, !mayFail { return "wrote \(row?.text ?? "nothing")" }
    for page in page..<page + bytes / 4096 {
      while naive.files[file].count <= page { naive.files[file].append(nil) }
      naive.put(0x77, file: file, page: page)
    }
    return nil
  }

  // MARK: Touches

  private mutating func touch(
    _ line: String, _ actor: Int, _ number: Int, _ page: Int, value: UInt8?
  ) throws -> String? {
    let home = naive.homes[actor]!
    let map = naive.map(actor, number)!
    let row = try perform(line)
    let content = naive.content(map, page)
    var isBad = false
    var wanted: UInt8?
    switch content {
    case .beyond: isBad = true
    case .hole: wanted = 0
    case .device(let value): wanted = value
    case .block(let block):
      isBad = naive.blocks[block]!.isBad
      wanted = naive.blocks[block]!.value
    }
    if let copy = map.copies[page] {
      wanted = copy
      isBad = false
    }
    if row?["ok"] == .bool(true) {
      guard let wanted else { return "touched what is behind the end" }
      if let value {
        store(value, actor, number, page)
      } else if row?["value"] != .int(Int(wanted)) {
        return "loaded \(row?["value"]?.text ?? "nothing"), not \(wanted)"
      }
      return nil
    }
    guard isBad else { return "faulted for no reason: \(row?.text ?? "")" }
    let process = naive.processes[home]!
    let lives = process.handler == "on" && !process.threads[actor]!.isBlocked
    if lives != (row?["died"] == nil) { return "the fault ended as \(row?.text ?? "")" }
    if !lives { naive.end(home) }
    return nil
  }

  private mutating func store(_ value: UInt8, _ actor: Int, _ number: Int, _ page: Int) {
    let home = naive.homes[actor]!
    let map = naive.map(actor, number)!
    if map.isPrivate {
      naive.processes[home]!.maps[number]!.copies[page] = value
    } else if map.object > 1 {
      naive.devices[map.object]![map.page + page] = value
    } else {
      naive.put(value, file: map.object, page: map.page + page)
    }
  }

  // MARK: Failures

  /// Whoever has the failed page in a page table is told if it is current or asked for it, and nobody else is.
  private mutating func fail(
    _ line: String, _ actor: Int, _ number: Int, _ offset: Int, current: Int?, leavesBad: Bool
  ) throws -> String? {
    let map = naive.map(actor, number)!
    let shift: UInt64 = map.object == 3 ? 21 : 12
    let frame = machine.physical(naive.homes[actor]!, "m\(number)", UInt64(offset))
    let before = machine.translations()
    var mappers = Set(
      before.filter { $0.physical >> shift == frame.map { $0 >> shift } }.map(\.process))
    if frame != nil, naive.content(map, offset / 4096) == .hole {
      // 6.1 asks for no action of who advised ordinary memory away.
      if let current, naive.zeroIsMarked, naive.kernel != .v6_1 {
        mappers.insert(naive.homes[current]!)
      }
      naive.zeroIsMarked = true
    }
    // In 7.2 a private copy counts as the page that it replaced, if the file has an entry for it still.
    let unclear = naive.kernel == .v7_2 ? holdersOfCopies() : []
    let counts = signalCounts()
    let row = try perform(line)
    if machine.hasStopped { return "the machine stopped" }
    var told: Set<Int> = []
    for process in naive.processes.keys.sorted() {
      let target = mappers.contains(process) ? naive.target(process, current: current) : nil
      if unclear.contains(process), target == nil {
        guard machine.isAlive(process) else {
          naive.end(process)
          continue
        }
        for thread in naive.processes[process]!.order {
          naive.processes[process]!.threads[thread]!.isPending = isPending(thread)
        }
        continue
      }
      if target != nil { told.insert(process) }
      if let text = judge(
        process, target, isForced: target != nil && target == current, counts, row, actor, line)
      {
        return text
      }
    }
    if leavesBad, frame != nil, map.object < 2,
      case .block(let block) = naive.content(map, offset / 4096)
    {
      naive.blocks[block]!.isBad = true
    }
    return judgeUnmap(told.isEmpty && unclear.isEmpty, told, frame, shift, map, offset, before)
  }

  /// The entries for the page are gone if somebody was told; if nobody was, nothing has changed.
  private func judgeUnmap(
    _ nobody: Bool, _ told: Set<Int>, _ frame: UInt64?, _ shift: UInt64, _ map: NaiveMachine.Map,
    _ offset: Int, _ before: [Simulator.Translation]
  ) -> String? {
    let after = machine.translations()
    if nobody, after != before { return "nobody was told, and page-table entries have changed" }
    var isExclusive = map.object > 1
    if case .block(let block) = naive.content(map, offset / 4096) {
      isExclusive = naive.owners(of: block) == 1
    }
    if !told.isEmpty, isExclusive,
      after.contains(where: { $0.physical >> shift == frame.map { $0 >> shift } })
    {
      return "somebody was told, and the page is still mapped"
    }
    return nil
  }

  private func holdersOfCopies() -> Set<Int> {
    Set(
      naive.processes.filter { $0.value.maps.values.contains { !$0.copies.isEmpty } }.keys)
  }

  /// One process after a failure.
  private mutating func judge(
    _ process: Int, _ target: Int?, isForced: Bool, _ before: [Int: Int], _ row: JSONValue?,
    _ actor: Int, _ line: String
  ) -> String? {
    let state = naive.processes[process]!
    var dies = false
    var handler: Int?
    if let target {
      let thread = state.threads[target]!
      if isForced && (thread.isBlocked || state.handler == "ignore") {
        dies = true
      } else if thread.isBlocked {
        naive.processes[process]!.threads[target]!.isPending = true
      } else if state.handler == "default" {
        dies = true
      } else if state.handler == "on" {
        handler = target
      }
    }
    if machine.isAlive(process) == dies {
      return "process \(process) should \(dies ? "die" : "live")"
    }
    if dies {
      naive.end(process)
      return nil
    }
    let after = signalCounts()
    for thread in state.order {
      var new = (after[thread] ?? 0) - (before[thread] ?? 0)
      if thread == actor, line.first == Self.letter(actor) {
        new += row?["signals"]?.array?.count ?? 0
      }
      if new != (thread == handler ? 1 : 0) {
        return "\(Self.letter(thread)) got \(new) signals, and should get "
          + "\(thread == handler ? 1 : 0)"
      }
      if isPending(thread) != naive.processes[process]!.threads[thread]!.isPending {
        return "a signal waits for \(Self.letter(thread)), or should"
      }
    }
    return nil
  }

  // MARK: Judging

  private func check() -> String? {
    if machine.hasStopped { return "the machine stopped" }
    for process in naive.processes.keys where !machine.isAlive(process) {
      return "process \(process) died for no reason"
    }
    return machine.violations().first
  }

  /// Everybody goes, and nothing is left.
  private mutating func end() throws -> String? {
    for process in naive.processes.values.sorted(by: { $0.order[0] < $1.order[0] }) {
      try perform("\(Self.letter(process.order[0])) exit")
    }
    try perform("- sync")
    return machine.violations().first ?? machine.leftovers().first
      ?? (machine.translations().isEmpty ? nil : "page-table entries are left")
  }

  private func signalCounts() -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for actor in 0..<RandomStep.actors {
      counts[actor] = Actor(letter: Self.letter(actor)).map(machine.signalCount) ?? 0
    }
    return counts
  }

  private func isPending(_ actor: Int) -> Bool {
    Actor(letter: Self.letter(actor)).map(machine.isPending) ?? false
  }

  private static func letter(_ actor: Int) -> Character {
    Character(Unicode.Scalar(UInt8(65 + actor)))
  }
}
