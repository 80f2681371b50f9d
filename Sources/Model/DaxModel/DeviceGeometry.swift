public import PmemBase

/// What the rules need to know of a device.
public struct DeviceGeometry: Hashable, Sendable {
  /// Bytes. What is left after the last whole block of `alignment` cannot be mapped.
  public let size: UInt64
  /// The one size at which the device is mapped.
  public let alignment: PageSize

  public init(size: UInt64, alignment: PageSize) {
    self.size = size
    self.alignment = alignment
  }

  /// What is left of the device when its driver goes: no block. A device in use has at least one.
  public var dead: DeviceGeometry { DeviceGeometry(size: 0, alignment: alignment) }

  public var isAlive: Bool { size > 0 }

  /// Blocks of `alignment` bytes, each a folio.
  public var folioCount: UInt64 { size >> alignment.shift }
}
