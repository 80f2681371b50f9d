internal import CWire
internal import MemoryFailure
internal import OwnerIndex

/// One event, as `softdax monitor` shows it. Which fields count depends on the kind: enum sd_event_type.
public struct Happening: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    case fault, insert, zap, inject, failure, verdict, signal, handled, fatal, clear
    case badBlocks = "bad-blocks"
    case enable, disable, refused, panic, end

    var wire: sd_event_type {
      switch self {
      case .fault: SD_EVENT_FAULT_TAKEN
      case .insert: SD_EVENT_INSERT
      case .zap: SD_EVENT_ZAP
      case .inject: SD_EVENT_INJECT
      case .failure: SD_EVENT_FAILURE
      case .verdict: SD_EVENT_VERDICT
      case .signal: SD_EVENT_SIGNAL
      case .handled: SD_EVENT_HANDLED
      case .fatal: SD_EVENT_FATAL
      case .clear: SD_EVENT_CLEAR
      case .badBlocks: SD_EVENT_BAD_BLOCKS
      case .enable: SD_EVENT_ENABLE
      case .disable: SD_EVENT_DISABLE
      case .refused: SD_EVENT_REFUSED
      case .panic: SD_EVENT_PANIC
      case .end: SD_EVENT_END
      }
    }
  }

  public var kind: Kind
  /// Counts up by one from event to event.
  public var sequence: UInt64 = 0
  /// CLOCK_MONOTONIC, ns.
  public var time: UInt64 = 0
  public var device: Int?
  /// Bytes of the device.
  public var bytes: Range<UInt64>?
  public var process: Int32 = 0
  public var command = ""
  public var thread: Int32 = 0
  public var address: UInt64 = 0
  /// A si_code, a signal, or the number of a kind of error, an outcome, a verdict.
  public var code: Int32 = 0
  public var shift: UInt32 = 0
  /// An errno; 0: none.
  public var error: Int32 = 0

  public init(_ kind: Kind) { self.kind = kind }

  init?(_ m: sd_happening) {
    guard let kind = Kind.allCases.first(where: { $0.wire.rawValue == m.type }),
      m.length <= .max - m.offset, m.device >= -1
    else { return nil }
    self.init(kind)
    sequence = m.sequence
    time = m.time
    device = m.device < 0 ? nil : Int(m.device)
    bytes = m.length == 0 ? nil : m.offset..<m.offset + m.length
    process = m.process
    command = Codec.text(m.command)
    thread = m.thread
    address = m.address
    code = m.code
    shift = m.shift
    error = m.error
  }

  var encoded: [UInt8] {
    var m = sd_happening()
    m.sequence = sequence
    m.time = time
    m.address = address
    m.offset = bytes?.lowerBound ?? 0
    m.length = bytes.map { $0.upperBound - $0.lowerBound } ?? 0
    m.type = kind.wire.rawValue
    m.device = Int32(device ?? -1)
    m.process = process
    m.thread = thread
    m.code = code
    m.shift = shift
    m.error = error
    Codec.put(command, into: &m.command)
    return Codec.bytes(of: m)
  }
}

extension Reply {
  /// As many events as one message holds.
  public static let eventsPerMessage = Int(SD_EVENTS_PER_MESSAGE)
  /// As many ranges of bad sectors.
  public static let rangesPerMessage = Int(SD_RANGES_PER_MESSAGE)
  /// As many mappings.
  public static let ownersPerMessage = Int(SD_OWNERS_PER_MESSAGE)
  /// As many verdicts.
  public static let verdictsPerMessage = Int(SD_VERDICTS_PER_MESSAGE)

  /// Encodes what is about errors, and events.
  var failureBytes: [UInt8] {
    switch self {
    case .errors(let ranges, let next):
      return Codec.bytes(
        of: sd_errors(
          header: Codec.header(SD_ERRORS), count: UInt32(ranges.count), reserved: 0, next: next))
        + ranges.flatMap {
          Codec.bytes(of: sd_range(first: $0.lowerBound, count: $0.upperBound - $0.lowerBound))
        }
    case .scrubbed(let count):
      return Codec.bytes(of: sd_scrubbed(header: Codec.header(SD_SCRUBBED), scrubs: count))
    case .owners(let owners, let next):
      return Codec.bytes(
        of: sd_owners(
          header: Codec.header(SD_OWNERS), count: UInt32(owners.count), next: next))
        + owners.flatMap(\.encoded)
    case .blockOwners(let owners, let next):
      return Codec.bytes(
        of: sd_block_owners(
          header: Codec.header(SD_BLOCK_OWNERS), count: UInt32(owners.count), next: next))
        + owners.flatMap(\.encoded)
    case .armed(let errors, let next):
      return Codec.bytes(
        of: sd_armed(header: Codec.header(SD_ARMED), count: UInt32(errors.count), next: next))
        + errors.flatMap(\.encoded)
    case .paths(let paths): return Self.encoded(paths: paths)
    case .prediction(let prediction, let next):
      return Codec.bytes(
        of: sd_prediction(
          header: Codec.header(SD_PREDICTION), count: UInt32(prediction.verdicts.count),
          next: next, outcome: prediction.outcome.wire, unmap_shift: prediction.unmapShift))
        + prediction.verdicts.flatMap(\.encoded)
    case .events(let events, let lost):
      return Codec.bytes(
        of: sd_events(
          header: Codec.header(SD_EVENTS), count: UInt32(events.count), reserved: 0, lost: lost))
        + events.flatMap(\.encoded)
    default: return []
    }
  }

  /// Decodes it.
  static func failure(_ bytes: ArraySlice<UInt8>, _ type: UInt16) throws(WireError) -> Reply {
    let malformed = WireError.malformed(type: type, bytes: bytes.count)
    switch sd_type(rawValue: UInt32(type)) {
    case SD_ERRORS:
      let (head, ranges) = try Codec.list(
        sd_errors.self, of: sd_range.self, count: { $0.count }, limit: SD_RANGES_PER_MESSAGE,
        bytes)
      guard ranges.allSatisfy({ $0.count <= .max - $0.first }) else { throw malformed }
      return .errors(ranges.map { $0.first..<$0.first + $0.count }, next: head.next)
    case SD_SCRUBBED:
      return .scrubbed(count: try Codec.exactly(sd_scrubbed.self, bytes).scrubs)
    case SD_OWNERS:
      let (head, owners) = try Codec.list(
        sd_owners.self, of: sd_owner.self, count: { $0.count }, limit: SD_OWNERS_PER_MESSAGE,
        bytes)
      return .owners(owners.map { PageMapper($0) }, next: head.next)
    case SD_BLOCK_OWNERS:
      let (head, entries) = try Codec.list(
        sd_block_owners.self, of: sd_block_owner.self, count: { $0.count },
        limit: SD_BLOCK_OWNERS_PER_MESSAGE, bytes)
      let owners = entries.compactMap { BlockHolding($0) }
      guard owners.count == entries.count else { throw malformed }
      return .blockOwners(owners, next: head.next)
    case SD_ARMED:
      let (head, entries) = try Codec.list(
        sd_armed.self, of: sd_armed_error.self, count: { $0.count }, limit: SD_ARMED_PER_MESSAGE,
        bytes)
      let errors = entries.compactMap { WaitingError($0) }
      guard errors.count == entries.count else { throw malformed }
      return .armed(errors, next: head.next)
    case SD_PATHS: return try paths(bytes)
    case SD_PREDICTION:
      let (head, entries) = try Codec.list(
        sd_prediction.self, of: sd_verdict.self, count: { $0.count },
        limit: SD_VERDICTS_PER_MESSAGE, bytes)
      let verdicts = entries.compactMap { Verdict($0) }
      guard verdicts.count == entries.count,
        let outcome = Prediction.Outcome.allCases.first(where: { $0.wire == head.outcome })
      else { throw malformed }
      return .prediction(
        Prediction(outcome: outcome, unmapShift: head.unmap_shift, verdicts: verdicts),
        next: head.next)
    case SD_EVENTS:
      let (head, entries) = try Codec.list(
        sd_events.self, of: sd_happening.self, count: { $0.count },
        limit: SD_EVENTS_PER_MESSAGE, bytes)
      let events = entries.compactMap { Happening($0) }
      guard events.count == entries.count else { throw malformed }
      return .events(events, lost: head.lost)
    default: throw .unexpected(type: type)
    }
  }
}
