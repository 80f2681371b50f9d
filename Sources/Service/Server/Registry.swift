internal import FaultEngine
internal import LinuxSys
internal import Synchronization
internal import Wire

/// Who is connected: workloads by token, and every conversation under way, so that `stop` can end them all.
final class Registry: Sendable {
  private struct State {
    var workloads: [UInt64: (workload: Workload, agent: WireAgent)] = [:]
    var conversations: [UInt64: @Sendable () -> Void] = [:]
    var attachedEver: UInt64 = 0
    var closing = false
  }
  private let state = Mutex(State())

  /// Connections served at once; more are turned away.
  static let limit = 4096

  var attachedEver: UInt64 { state.withLock(\.attachedEver) }
  var workloads: [Workload] { state.withLock { $0.workloads.values.map(\.workload) } }

  func workload(_ token: UInt64) -> Workload? { state.withLock { $0.workloads[token]?.workload } }

  /// Notes a conversation that `end` would end. - Returns: `false` when the server is stopping or full.
  func begin(_ identifier: UInt64, end: @escaping @Sendable () -> Void) -> Bool {
    state.withLock { state in
      guard !state.closing, state.conversations.count < Self.limit else { return false }
      state.conversations[identifier] = end
      return true
    }
  }

  func finish(_ identifier: UInt64) {
    state.withLock { _ = $0.conversations.removeValue(forKey: identifier) }
  }

  /// - Returns: `false` when the server is stopping.
  func add(_ workload: Workload, agent: WireAgent) -> Bool {
    state.withLock { state in
      guard !state.closing else { return false }
      state.workloads[workload.token] = (workload, agent)
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
      return Array(state.conversations.values)
    }
    for end in ends { end() }
  }

  func waitUntilEmpty() {
    while state.withLock({ !$0.conversations.isEmpty }) { Pause.short() }
  }

  func waitUntilGone(process: Int32) {
    while state.withLock({ $0.workloads.values.contains { $0.workload.process == process } }) {
      Pause.short()
    }
  }
}
