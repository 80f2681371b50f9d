/// A call of mmap() on a device node, as the caller made it.
public struct MapRequest: Sendable {
  /// The hint, or the place if `isFixed`; 0 for none.
  public let address: UInt64
  /// Bytes, not rounded.
  public let length: UInt64
  /// Bytes from the start of the device.
  public let offset: UInt64
  public let protection: Protection
  /// How the descriptor was opened.
  public let access: AccessMode
  /// MAP_SHARED or MAP_SHARED_VALIDATE.
  public let isShared: Bool
  /// MAP_FIXED or MAP_FIXED_NOREPLACE.
  public let isFixed: Bool

  public init(
    address: UInt64, length: UInt64, offset: UInt64, protection: Protection, access: AccessMode,
    isShared: Bool, isFixed: Bool
  ) {
    self.address = address
    self.length = length
    self.offset = offset
    self.protection = protection
    self.access = access
    self.isShared = isShared
    self.isFixed = isFixed
  }
}
