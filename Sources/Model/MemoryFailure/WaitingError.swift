/// An error that waits for a fault of its device.
public struct WaitingError: Equatable, Sendable {
  /// Of 512 bytes; nil: those of the page of that fault.
  public var sectors: Range<UInt64>?
  public var kind: InjectionRule.Kind
  /// It comes with the so manieth fault from now, counted from 1.
  public var faults: UInt64

  public init(sectors: Range<UInt64>?, kind: InjectionRule.Kind, faults: UInt64) {
    self.sectors = sectors
    self.kind = kind
    self.faults = faults
  }

  /// - Parameters:
  ///   - fault: The number of the fault that it waits for.
  ///   - seen: Faults of the device until now.
  ///   - size: The device's, in bytes.
  public init(_ rule: InjectionRule, fault: UInt64, seen: UInt64, size: UInt64) {
    self.init(
      sectors: rule.sectors(size: size), kind: rule.kind,
      faults: fault > seen ? fault - seen : 1)
  }

  /// All that it would break is in a range.
  public func isWithin(_ range: Range<UInt64>) -> Bool {
    sectors.map { range.lowerBound <= $0.lowerBound && $0.upperBound <= range.upperBound } ?? false
  }
}
