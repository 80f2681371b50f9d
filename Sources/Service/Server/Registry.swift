internal import FaultEngine
internal import LinuxSys
internal import Synchronization
internal import Wire

/// Who is connected: workloads by token, and every conversation under way, so that `stop` can end them all.
final class Registry: Sendable {
  private struct State {
    var workloads: [UInt64: Workload] = [:]
    var conversations: [UInt64: (process: Int32, end: @Sendable () -> Void)] = [:]
    /// Conversations of each process.
    var counts: [Int32: Int] = [:]
    var attachedEver: UInt64 = 0
    var closing = false
  }
  private let state = Mutex(State())

  /// Connections served at once; more wait to be accepted.
  static let limit = 4096
  /// Connections of one process, so that it can shut out only itself: its threads' calls wait in it for one another.
  static let limitOfProcess = 1024

  var attachedEver: UInt64 { state.withLock(\.attachedEver) }
  var workloads: [Workload] { state.withLock { Array($0.workloads.values) } }

  func workload(_ token: UInt64) -> Workload? { state.withLock { $0.workloads[token] } }

  /// Notes a conversation that `end` would end. - Returns: `false` when the server is stopping, or `process` has too many.
  func begin(_ identifier: UInt64, of process: Int32, end: @escaping @Sendable () -> Void) -> Bool {
    state.withLock { state in
      guard !state.closing, state.counts[process, default: 0] < Self.limitOfProcess else {
        return false
      }
      state.counts[process, default: 0] += 1
      state.conversations[identifier] = (process, end)
      return true
    }
  }

  func finish(_ identifier: UInt64) {
    state.withLock { state in
      guard let process = state.conversations.removeValue(forKey: identifier)?.process else {
        return
      }
      let rest = state.counts[process, default: 1] - 1
      state.counts[process] = rest > 0 ? rest : nil
    }
  }

  /// Returns when there is room for one more, or the server is stopping.
  func waitForRoom() {
    while state.withLock({ !$0.closing && $0.conversations.count >= Self.limit }) {
      Pause.milliseconds(5)
    }
  }

  /// - Returns: `false` when the server is stopping.
  func add(_ workload: Workload) -> Bool {
    state.withLock { state in
      guard !state.closing else { return false }
      state.workloads[workload.token] = workload
      state.attachedEver += 1
      return true
    }
  }

  func remove(_ workload: Workload) {
    state.withLock { _ = $0.workloads.removeValue(forKey: workload.token) }
  }

  func dismissAll() {
    let ends = state.withLock { state in
      state.closing = true
      return state.conversations.values.map(\.end)
    }
    for end in ends { end() }
  }

  func waitUntilEmpty() {
    while state.withLock({ !$0.conversations.isEmpty }) { Pause.short() }
  }
}
