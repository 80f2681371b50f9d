internal import DaxModel
public import FaultEngine
public import LinuxSys
internal import Medium
public import MemoryFailure
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Errors of the machine's media, and the handler for pages that fail: one for a server.
///
/// Every decision is made under one lock, as under the kernel's `mf_mutex`, by the model's rules (`GenericFailure`, `KillPlan`); page-table
/// entries go from all workloads in one step. Any thread may ask for anything; who does waits for the file system and for all workloads'
/// locks, never for a workload; but on a medium that is mapped over, where the agents do it, one workload after the other.
public final class MemoryFailures: PoisonHandler, Sendable {
  /// What is known of one device's medium.
  struct Media {
    /// Sectors that the medium cannot give, known or not: what firmware would list.
    var injected = BadBlocks()
    /// The list of bad blocks.
    var known = BadBlocks()
    /// Pages, of `Unmapper.granule`, for which some address space may have a marker.
    var marked: Set<UInt64> = []
  }

  struct State {
    var media: [Media]
    var options: FailureOptions
    var poisonedPages: UInt64 = 0
    var rules: [ArmedError] = []
    var observers: [@Sendable (FailureEvent) -> Void] = []
  }

  let devices: [DaxDevice]
  /// Is advanced before pages are good again, where the workloads' library sees it.
  let generation: SharedCounter?
  let workloads: @Sendable () -> [Workload]
  let unmapper: Unmapper
  /// Pages of some device are taken away by the workloads' agents, which need their fault threads.
  private let needsAgents: Bool
  /// The kernel's mf_mutex.
  let state: Mutex<State>

  // Apart from the state, so that who only asks waits for nobody's agent.
  let panicked = Atomic(false)
  private let shown: Mutex<Shown>
  /// The errors that wait for a fault.
  let shownRules = Mutex<[ArmedError]>([])
  let waitingFor = Atomic<Int32>(0)

  /// The lists and settings as they were when the last error had come or gone.
  private struct Shown {
    var media: [Media]
    var options: FailureOptions
  }

  private enum Work {
    case consumed(PoisonTouch)
    case reached(PoisonTouch)
  }

  private struct Queue {
    var touches: [Work] = []
    var ends = false
    var worker: WorkerThread?
  }
  private let queue = Mutex(Queue())
  private let queued = EventCount()

  /// Who sees page-table entries come and go; fault threads take this lock, so nothing else is locked under it.
  let pageObservers = Mutex<[UInt64: @Sendable (PageEvent) -> Void]>([:])
  let isWatched = Atomic(false)

  /// - Parameters:
  ///   - generation: see ``generation``.
  ///   - workloads: Every workload there is now; any order.
  /// - Throws: What `pipe2(2)` fails with.
  public init(
    devices: [DaxDevice], options: FailureOptions = FailureOptions(),
    generation: SharedCounter? = nil, workloads: @escaping @Sendable () -> [Workload]
  ) throws(Errno) {
    self.devices = devices
    self.generation = generation
    self.workloads = workloads
    unmapper = try Unmapper()
    needsAgents = devices.contains { $0.medium.insertion == .remapped }
    state = Mutex(State(media: devices.map { _ in Media() }, options: options))
    shown = Mutex(Shown(media: devices.map { _ in Media() }, options: options))
  }

  /// Begins to handle touches.
  public func start() throws(Errno) {
    let worker = try WorkerThread(name: "softdax-failure") { [self] in work() }
    queue.withLock { $0.worker = worker }
  }

  /// Ends it. Touches that are still waiting stay unanswered: their workloads are ended next.
  public func stop() {
    let worker = queue.withLock { queue in
      queue.ends = true
      queue.touches = []
      return queue.worker.take()
    }
    queued.advance()
    worker?.join()
  }

  // MARK: Touches

  /// By the fault thread itself, unless somebody is deciding now or its events are to be read first: the way to another thread and back
  /// costs more than all the rest.
  public func consumed(_ touch: PoisonTouch) {
    let isDone = !needsAgents && state.withLockIfAvailable { consume(&$0, touch) } ?? false
    if !isDone { add(.consumed(touch)) }
  }

  public func reached(_ touch: PoisonTouch) { add(.reached(touch)) }

  private func add(_ work: Work) {
    queue.withLock { queue in
      if !queue.ends { queue.touches.append(work) }
    }
    queued.advance()
  }

  private func work() {
    while true {
      let seen = queued.current
      let (touches, ends) = queue.withLock { queue in
        defer { queue.touches = [] }
        return (queue.touches, queue.ends)
      }
      if ends { return }
      if touches.isEmpty {
        queued.wait(beyond: seen)
        continue
      }
      var again: [Work] = []
      for work in touches {
        switch work {
        case .consumed(let touch):
          if !state.withLock({ consume(&$0, touch) }) { again.append(work) }
        case .reached(let touch): carryOutRules(at: touch)
        }
      }
      if !again.isEmpty {
        // Their address spaces are inside an mremap: its event must be read first.
        Pause.short()
        queue.withLock { $0.touches = again + $0.touches }
      }
    }
  }

  // MARK: Settings

  /// What the emulated kernel is told now.
  public var options: FailureOptions { shown.withLock(\.options) }

  /// Tells it something else: the next failure is judged by it.
  public func set(_ change: (inout FailureOptions) -> Void) {
    state.withLock { state in
      change(&state.options)
      show(state)
    }
  }

  // MARK: Looking

  /// A page has failed while `vm.memory_failure_recovery` was 0: workloads are killed, as with the machine.
  public var hasPanicked: Bool { panicked.load(ordering: .sequentiallyConsistent) }

  /// Has `body` called with everything that happens from now on, by the thread that does it, under the handler's lock: it must not
  /// call back. Observers are told in the order in which they came, and stay.
  public func observe(_ body: @escaping @Sendable (FailureEvent) -> Void) {
    state.withLock { $0.observers.append(body) }
  }

  /// Has observers told of a workload that is gone.
  public func note(_ event: FailureEvent) { state.withLock { tell($0, event) } }

  /// The device's list of bad blocks, in sectors. Waits for no error that is under way.
  public func badBlocks(device: Int) -> BadBlocks { shown.withLock { $0.media[device].known } }

  /// What the medium cannot give, known or not, in sectors: what `ndctl inject-error --status` lists. Waits for no error that is under way.
  public func injected(device: Int) -> BadBlocks { shown.withLock { $0.media[device].injected } }

  /// The process whose agent is to take a page away or put it back, now; nil if nobody is waited for.
  public var awaited: Int32? {
    let process = waitingFor.load(ordering: .relaxed)
    return process == 0 ? nil : process
  }

  /// HardwareCorrupted of /proc/meminfo, in pages: how often `memory_failure()` ran; clearing does not lower it.
  public var poisonedPages: UInt64 { state.withLock(\.poisonedPages) }

  /// Who would be signalled if the page failed now; nothing is done. Waits for no error that is under way.
  ///
  /// - Parameters:
  ///   - page: Of 4 KiB, from the device's start.
  ///   - faultsIn: Who is `current` has touched it by then: what ``faultIn(device:page:of:)`` does.
  /// - Throws: `.noSuchAddressOrDevice` for a page that the device does not have.
  public func dryRun(
    device: Int, page: UInt64, origin: FailureOrigin, faultsIn: Bool = false
  ) throws(Errno) -> GenericFailure {
    let folio = try folio(of: page, on: device)
    return look(device, folio, origin, faultsIn: faultsIn)
  }

  func folio(of page: UInt64, on device: Int) throws(Errno) -> Int {
    guard devices.indices.contains(device), page < devices[device].geometry.size >> 12,
      page >> UInt64(devices[device].geometry.alignment.order)
        < devices[device].geometry.folioCount
    else { throw .noSuchAddressOrDevice }
    return Int(page >> UInt64(devices[device].geometry.alignment.order))
  }

  /// After what is told of.
  func tell(_ state: borrowing State, _ event: FailureEvent) {
    switch event {
    case .injected, .cleared, .badBlocksChanged: show(state)
    default: break
    }
    for observer in state.observers { observer(event) }
  }

  private func show(_ state: State) {
    let new = Shown(media: state.media, options: state.options)
    shown.withLock { $0 = new }
  }
}
