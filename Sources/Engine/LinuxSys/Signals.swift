internal import CSoftdax
internal import Glibc
public import SystemPackage

/// A set of signals, as a thread's mask.
public struct SignalMask: Sendable {
  var raw = sd_signal_mask()

  /// No signal blocked.
  public init() {}
}

/// The signals that a front process takes to pass them on, read from a descriptor.
///
/// Owns the signalfd. Create it before any thread is started: they inherit the mask.
public struct SignalQueue: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor
  /// What was blocked before: children begin with this.
  public let previousMask: SignalMask

  public struct Signal: Sendable {
    public let number: Int32
    /// Sent by kill(2) and kin; else by the kernel, such as ^C at a terminal, which every process of the group gets by itself.
    public let isFromProcess: Bool

    public var isChildEnded: Bool { number == SIGCHLD }
    /// The terminal is gone: the kernel tells only the session's leader.
    public var isHangup: Bool { number == SIGHUP }
    /// SIGINT, SIGTERM or SIGHUP.
    public var isTermination: Bool { number == SIGINT || number == SIGTERM || number == SIGHUP }
  }

  /// Blocks SIGCHLD, HUP, INT, QUIT, TERM, USR1, USR2, CONT, WINCH and ALRM in this thread. Source: `signalfd(2)`.
  public init() throws(Errno) {
    var mask = SignalMask()
    try checked(
      unsafe withUnsafeMutablePointer(to: &mask.raw) { unsafe sd_block_signals($0) })
    let raw = try checked(sd_signal_descriptor())
    previousMask = mask
    descriptor = OwnedDescriptor(adopting: raw)
  }

  /// Waits for the next one.
  public borrowing func next() throws(Errno) -> Signal {
    var signal = sd_signal()
    try checked(
      unsafe withUnsafeMutablePointer(to: &signal) {
        unsafe sd_read_signal(descriptor.raw, $0)
      })
    return Signal(number: signal.number, isFromProcess: signal.from_process != 0)
  }
}
