internal import CWire

/// What an error of a page would do now.
public struct Prediction: Sendable, Equatable {
  public enum Outcome: String, Sendable, CaseIterable {
    case handled
    /// EBUSY: no process has ever had the page.
    case unknownOwner = "unknown-owner"
    /// Nothing happens before somebody touches it.
    case later
    /// EFSCORRUPTED: metadata is lost, the filesystem shuts down.
    case shutdown
    /// EIO: the filesystem has shut down before, and no owner is found.
    case ioError = "io-error"
    /// The machine stops.
    case panic

    public var wire: UInt32 {
      switch self {
      case .handled: SD_OUTCOME_HANDLED.rawValue
      case .unknownOwner: SD_OUTCOME_UNKNOWN_OWNER.rawValue
      case .later: SD_OUTCOME_LATER.rawValue
      case .shutdown: SD_OUTCOME_SHUTDOWN.rawValue
      case .ioError: SD_OUTCOME_IO_ERROR.rawValue
      case .panic: SD_OUTCOME_PANIC.rawValue
      }
    }
  }

  public var outcome: Outcome
  /// log2 of the bytes that go from every page table; 0: none.
  public var unmapShift: UInt32
  public var verdicts: [Verdict]

  public init(outcome: Outcome, unmapShift: UInt32 = 0, verdicts: [Verdict] = []) {
    self.outcome = outcome
    self.unmapShift = unmapShift
    self.verdicts = verdicts
  }
}

/// A process that is passed over, or one signal.
public struct Verdict: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case notPresent = "not-present"
    case notEarly = "not-early"
    case leaderGone = "leader-gone"
    case actionOptional = "BUS_MCEERR_AO"
    case actionRequired = "BUS_MCEERR_AR"

    public var wire: UInt32 {
      switch self {
      case .notPresent: SD_VERDICT_NOT_PRESENT.rawValue
      case .notEarly: SD_VERDICT_NOT_EARLY.rawValue
      case .leaderGone: SD_VERDICT_LEADER_GONE.rawValue
      case .actionOptional: SD_VERDICT_OPTIONAL.rawValue
      case .actionRequired: SD_VERDICT_REQUIRED.rawValue
      }
    }

    public init?(wire: UInt32) {
      guard let kind = Self.allCases.first(where: { $0.wire == wire }) else { return nil }
      self = kind
    }

    public var isSignal: Bool { self == .actionOptional || self == .actionRequired }
  }

  public var kind: Kind
  public var process: Int32
  public var command: String
  /// Of a signal only, as the two below.
  public var thread: Int32
  public var address: UInt64
  public var shift: UInt32

  public init(
    kind: Kind, process: Int32, command: String, thread: Int32 = 0, address: UInt64 = 0,
    shift: UInt32 = 0
  ) {
    self.kind = kind
    self.process = process
    self.command = command
    self.thread = thread
    self.address = address
    self.shift = shift
  }

  init?(_ m: sd_verdict) {
    guard let kind = Kind(wire: m.verdict) else { return nil }
    self.init(
      kind: kind, process: m.process, command: Codec.text(m.command), thread: m.thread,
      address: m.address, shift: m.shift)
  }

  var encoded: [UInt8] {
    var m = sd_verdict()
    m.process = process
    m.thread = thread
    m.address = address
    m.shift = shift
    m.verdict = kind.wire
    Codec.put(command, into: &m.command)
    return Codec.bytes(of: m)
  }
}
