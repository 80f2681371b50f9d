internal import CWire
public import MemoryFailure

extension WaitingError {
  init?(_ m: sd_armed_error) {
    guard let kind = InjectionRule.Kind.allCases.first(where: { $0.wire == m.kind }),
      m.count <= .max - m.first
    else { return nil }
    self.init(
      sectors: m.count == 0 ? nil : m.first..<m.first + m.count, kind: kind, faults: m.faults)
  }

  var encoded: [UInt8] {
    Codec.bytes(
      of: sd_armed_error(
        first: sectors?.lowerBound ?? 0,
        count: sectors.map { $0.upperBound - $0.lowerBound } ?? 0, faults: faults,
        kind: kind.wire, reserved: 0))
  }
}

extension Reply {
  /// As many errors that wait as one message holds.
  public static let armedPerMessage = Int(SD_ARMED_PER_MESSAGE)
}

extension ServerClient {
  /// Errors of a device that wait for a fault, in the order in which they were asked for.
  public func armed(device: Int) throws(WireError) -> [WaitingError] {
    var all: [WaitingError] = []
    while true {
      guard
        case .armed(let errors, let next) = try ask(
          .getArmed(device: device, first: UInt32(all.count)))
      else { throw .unexpected(type: 0) }
      all += errors
      if next == 0 { return all }
      guard Int(next) == all.count else { throw .unexpected(type: 0) }
    }
  }
}
