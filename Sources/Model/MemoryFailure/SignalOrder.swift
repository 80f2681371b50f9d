/// A signal that memory failure handling sends: SIGBUS with a machine-check code.
public struct SignalOrder: Equatable, Sendable {
  public enum Code: Sendable {
    /// BUS_MCEERR_AR, forced: blocked or ignored, it kills.
    case actionRequired
    /// BUS_MCEERR_AO, an ordinary queued signal.
    case actionOptional
  }

  public let process: Int
  public let thread: Int
  public let code: Code
  public let address: UInt64
  /// `si_addr_lsb`
  public let shift: UInt64

  public init(process: Int, thread: Int, code: Code, address: UInt64, shift: UInt64) {
    self.process = process
    self.thread = thread
    self.code = code
    self.address = address
    self.shift = shift
  }
}
