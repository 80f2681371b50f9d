/// Who reports that a page has failed.
///
/// An injection and a machine check run the same handler; only the machine check leaves a bad block behind (oracle,
/// `*-mce-*` against `*-hwp-*`).
public enum FailureOrigin: Equatable, Sendable {
  /// Software: madvise(MADV_HWPOISON), hwpoison/corrupt-pfn. `current` is the thread that asked, if it is one that the
  /// model knows.
  case injection(process: Int, thread: Int)
  /// The same from outside of all modelled processes.
  case injectionByBystander
  /// A machine check that no thread consumed (patrol scrub); the handler runs in a kernel worker.
  case machineCheck
  /// A machine check that a load in user mode consumed.
  case consumed(process: Int, thread: Int)

  /// The thread that counts as `current`.
  public var current: (process: Int, thread: Int)? {
    switch self {
    case .injection(let process, let thread), .consumed(let process, let thread):
      (process, thread)
    case .injectionByBystander, .machineCheck: nil
    }
  }

  /// Whether the error is in the medium: the NFIT notifier records it as a bad block.
  public var leavesBadBlock: Bool {
    switch self {
    case .injection, .injectionByBystander: false
    case .machineCheck, .consumed: true
    }
  }
}
