/// A size at which one page-table entry maps device memory on x86-64: PTE, PMD or PUD.
///
/// Source: `PAGE_SHIFT` 12, `PMD_SHIFT` 21, `PUD_SHIFT` 30 (x86-64, every kernel).
public enum PageSize: Sendable, CaseIterable {
  /// 4 KiB, one PTE.
  case base
  /// 2 MiB, one PMD.
  case huge
  /// 1 GiB, one PUD.
  case giant

  /// The size that is exactly `bytes`, or nil: there are only three.
  public init?(bytes: UInt64) {
    switch bytes {
    case 1 << 12: self = .base
    case 1 << 21: self = .huge
    case 1 << 30: self = .giant
    default: return nil
    }
  }

  /// log2 of the size in bytes.
  public var shift: UInt64 {
    switch self {
    case .base: 12
    case .huge: 21
    case .giant: 30
    }
  }

  /// Size in bytes.
  public var bytes: UInt64 { 1 << shift }

  /// log2 of the size in 4 KiB pages: the order of the folio that one entry maps.
  public var order: Int { Int(shift) - 12 }

  /// Size in 4 KiB pages: what RSS is charged for one entry.
  public var pages: UInt64 { 1 << UInt64(order) }

  /// The name in options and reports.
  public var shortName: String {
    switch self {
    case .base: "4k"
    case .huge: "2m"
    case .giant: "1g"
    }
  }

  /// Whether `value`, an address, offset or length in bytes, is a multiple of the size.
  public func isAligned(_ value: UInt64) -> Bool { value & (bytes &- 1) == 0 }

  /// `value` in bytes, rounded down to a multiple of the size.
  public func roundDown(_ value: UInt64) -> UInt64 { value & ~(bytes &- 1) }

  /// `value` in bytes, rounded up to a multiple of the size; nil past the end of 64 bits.
  public func roundUp(_ value: UInt64) -> UInt64? {
    let (sum, overflow) = value.addingReportingOverflow(bytes - 1)
    return overflow ? nil : roundDown(sum)
  }
}
