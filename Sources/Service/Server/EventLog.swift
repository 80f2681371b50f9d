internal import FailureEngine
internal import LinuxSys
internal import Synchronization
internal import Wire

/// What happens, kept while somebody watches: the latest events, and what handlers of the workloads were called with.
///
/// Any thread; its lock is the last that anybody takes, and nothing is waited for under it.
final class EventLog: Sendable {
  /// Events that are kept for a watcher who is slow; then the oldest are lost.
  static let capacity = 8192

  /// The memory in which a workload notes what its handlers were called with.
  private struct Workload {
    let process: Int32
    let command: String
    let ring: SharedMemory
    /// Entries ever.
    let count: SharedCounter
    /// Tells the workload that somebody wants more than a number.
    let watched: SharedCounter
    /// Entries that have been looked at.
    var seen: UInt64 = 0

    init(process: Int32, command: String, ring: SharedMemory) {
      self.process = process
      self.command = command
      self.ring = ring
      count = SharedCounter(in: ring, at: 0)
      watched = SharedCounter(in: ring, at: HandledRing.watched)
    }
  }

  private struct State {
    var workloads: [UInt64: Workload] = [:]
    var events: [Happening] = []
    /// The next event's.
    var sequence: UInt64 = 0
    var watchers = 0
  }
  private let state = Mutex(State())
  private let watched = Atomic(false)

  /// Somebody watches: one load.
  var isWatched: Bool { watched.load(ordering: .relaxed) }

  // MARK: Workloads

  func add(_ token: UInt64, process: Int32, command: String, ring: SharedMemory) {
    state.withLock { state in
      let workload = Workload(process: process, command: command, ring: ring)
      workload.watched.set(state.watchers > 0 ? 1 : 0)
      state.workloads[token] = workload
    }
  }

  func remove(_ token: UInt64) {
    state.withLock { state in
      if state.watchers > 0 { Self.sweep(&state) }
      state.workloads[token] = nil
    }
  }

  // MARK: Events

  /// What handlers were called with comes first: that was before.
  func append(_ happenings: [Happening]) {
    guard isWatched else { return }
    state.withLock { state in
      guard state.watchers > 0 else { return }
      Self.sweep(&state)
      let now = MonotonicClock.now
      for happening in happenings { Self.append(happening, &state, at: now) }
    }
  }

  private static func append(_ happening: Happening, _ state: inout State, at time: UInt64) {
    var event = happening
    event.sequence = state.sequence
    event.time = time
    if event.command.isEmpty, event.process != 0 {
      event.command =
        state.workloads.values.first { $0.process == event.process }?.command ?? ""
    }
    if state.events.count < capacity {
      state.events.append(event)
    } else {
      state.events[Int(state.sequence % UInt64(capacity))] = event
    }
    state.sequence += 1
  }

  private static func sweep(_ state: inout State) {
    for (token, workload) in state.workloads {
      let count = workload.count.value
      guard count != workload.seen else { continue }
      let bytes = workload.ring.bytes
      var workload = workload
      let places = HandledRing.places
      // A workload may write anything there.
      if count < workload.seen || count - workload.seen > places {
        workload.seen = count < places ? 0 : count - places
      }
      while workload.seen < count, let entry = HandledRing.entry(workload.seen, in: bytes) {
        workload.seen += 1
        var event = Happening(.handled)
        event.process = workload.process
        event.command = workload.command
        event.thread = Int32(truncatingIfNeeded: entry.thread)
        event.address = entry.address
        event.code = entry.code
        event.shift = entry.shift
        append(event, &state, at: entry.time == 0 ? MonotonicClock.now : entry.time)
      }
      state.workloads[token] = workload
    }
  }

  // MARK: Watchers

  /// From here on events are kept. Returns the sequence number of the first that this watcher sees.
  func begin() -> UInt64 {
    state.withLock { state in
      state.watchers += 1
      watched.store(true, ordering: .sequentiallyConsistent)
      if state.watchers == 1 {
        // What happened before is nobody's concern.
        for (token, workload) in state.workloads {
          workload.watched.set(1)
          state.workloads[token]?.seen = workload.count.value
        }
      }
      return state.sequence
    }
  }

  func end() {
    state.withLock { state in
      state.watchers -= 1
      guard state.watchers == 0 else { return }
      watched.store(false, ordering: .sequentiallyConsistent)
      for workload in state.workloads.values { workload.watched.set(0) }
      state.events = []
      state.sequence = 0
    }
  }

  /// The events from `next` on that there are, at most a message full, and how many before them are lost. `next` goes on.
  func take(from next: inout UInt64) -> (events: [Happening], lost: UInt64) {
    state.withLock { state in
      Self.sweep(&state)
      let oldest = state.sequence - UInt64(state.events.count)
      let lost = next < oldest ? oldest - next : 0
      let first = max(next, oldest)
      let last = min(state.sequence, first + UInt64(Reply.eventsPerMessage))
      next = last
      return (
        (first..<last).map { state.events[Int($0 % UInt64(Self.capacity))] }, lost
      )
    }
  }
}
