internal import FailureEngine
internal import LinuxSys
internal import MemoryFailure
internal import Server
internal import Synchronization
internal import SystemPackage

/// What became of the memory errors of a run: for `softdax run --expect=sigbus`.
///
/// Counts over all processes of the run; any thread.
final class ErrorTally: Sendable {
  private struct State {
    /// Signals of memory errors that were sent, or that a touch got.
    var met = 0
    /// Calls of handlers with them.
    var handled = 0
    /// Processes that died of SIGBUS, where the kernel tells.
    var died = 0
    var failures: [String] = []
  }
  private let state = Mutex(State())

  /// Counts from now on.
  init(_ server: Server) {
    server.failures.observe { [weak self] event in self?.count(event) }
  }

  private func count(_ event: FailureEvent) {
    state.withLock { state in
      switch event {
      case .signalled: state.met += 1
      case .signalFailed: state.met -= 1
      case .ended(_, let status, let handled):
        state.handled += handled
        if let status, status & 0x7f == 7 { state.died += 1 }
      case .ruleFailed(_, _, let error):
        let reason = Errno(rawValue: error)
        state.failures.append(
          reason == .resourceBusy
            ? "--inject: no process had the page when its moment came, so it could not fail (EBUSY)"
            : "--inject: an error could not come: \(reason)")
      default: break
      }
    }
  }

  /// Why rules could not be followed.
  var failures: [String] { state.withLock(\.failures) }

  /// It met none, whatever else it did.
  static let untouched: Int32 = 120
  /// It met one, and nobody was told, or nobody listened.
  static let unnoticed: Int32 = 121

  /// How the run counts. Every workload has ended.
  func verdict(_ ending: ChildProcess.Ending) -> (status: Int32, text: String) {
    let (met, handled, died) = state.withLock { ($0.met, $0.handled, $0.died) }
    let isMet = met > 0 || handled > 0
    let counts = "memory errors told: \(max(met, handled)), handled: \(handled)"
    switch (ending.bySignal, ending.status) {
    case (true, 128 + 7) where isMet:
      return (ending.status, "died of a memory error (\(counts))")
    case (true, let status):
      return (status, "died of signal \(status - 128), which was no memory error (\(counts))")
    case (false, let status) where handled > 0:
      return (
        status,
        "handled its memory errors and ended with status \(status) (\(counts))"
      )
    case (false, let status) where !isMet:
      return (
        Self.untouched, "ended with status \(status) and met no memory error (\(counts))"
      )
    case (false, 128 + 7):
      return (128 + 7, "ended as a shell does whose program died of a memory error (\(counts))")
    case (false, let status):
      return died > 0
        ? (
          128 + 7,
          "ended with status \(status), and \(died) of its processes died of a memory error (\(counts))"
        )
        : (
          Self.unnoticed,
          "ended with status \(status), and neither handled its memory errors nor died of one (\(counts))"
        )
    }
  }
}
