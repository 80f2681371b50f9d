public import PmemBase

/// What the rules need to know of a device.
public struct DeviceGeometry: Hashable, Sendable {
  /// Bytes. What is left after the last whole block of `alignment` cannot be mapped.
  public let size: UInt64
  /// The one size at which the device is mapped.
  public let alignment: PageSize
  /// Folios that no memory lies under in one piece, ascending: where one physical range ends inside a block and the
  /// next begins.
  public let straddling: [UInt64]

  /// - Parameter ranges: Lengths in bytes of the physical ranges that the device is made of; none for a single one.
  public init(size: UInt64, alignment: PageSize, ranges: [UInt64] = []) {
    self.size = size
    self.alignment = alignment
    var seams: [UInt64] = []
    var end: UInt64 = 0
    for length in ranges.dropLast() {
      end += length
      let folio = end >> alignment.shift
      if !alignment.isAligned(end), seams.last != folio { seams.append(folio) }
    }
    straddling = seams
  }

  /// What is left of the device when its driver goes: no block. A device in use has at least one.
  public var dead: DeviceGeometry { DeviceGeometry(size: 0, alignment: alignment) }

  public var isAlive: Bool { size > 0 }

  /// Blocks of `alignment` bytes, each a folio.
  public var folioCount: UInt64 { size >> alignment.shift }
}
