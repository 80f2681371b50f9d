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
    try list {
      .getArmed(device: device, first: $0)
    } part: { reply in
      if case .armed(let errors, let next) = reply { (errors, next) } else { nil }
    }
  }
}
