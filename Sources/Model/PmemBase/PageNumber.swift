/// A page frame number inside one medium, in 4 KiB units whatever the device's alignment.
public struct PageNumber: Hashable, Comparable, Sendable {
  /// 4 KiB pages from the start of the medium.
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  /// The page that holds byte `offset` of the medium.
  public init(containing offset: UInt64) { value = offset >> PageSize.base.shift }

  /// Offset in the medium, in bytes.
  public var offset: UInt64 { value << PageSize.base.shift }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}
