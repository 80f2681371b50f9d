internal import PmemBase

/// A region of the machine's persistent memory, with the one namespace in it.
struct Region {
  /// In names: region2, namespace2.0, pmem2, dax2.0.
  let number: Int
  /// Physical address.
  let base: UInt64
  /// Bytes before the namespace's data: labels and page descriptors.
  let dataOffset: UInt64
  /// Bytes of the namespace.
  let dataSize: UInt64
  /// Whether it is fs-dax: a block device.
  let isBlock: Bool
  /// Of the device-dax device.
  var alignment = PageSize.base
  let media: RegionMedia

  init(
    number: Int, base: UInt64, dataOffset: UInt64, dataSize: UInt64, isBlock: Bool,
    alignment: PageSize = .base, bus: RegionMedia.Bus
  ) {
    self.number = number
    self.base = base
    self.dataOffset = dataOffset
    self.dataSize = dataSize
    self.isBlock = isBlock
    self.alignment = alignment
    media = RegionMedia(dataOffset: dataOffset, bus: bus)
  }

  /// The device's name, without /dev/.
  var device: String { isBlock ? "pmem\(number)" : "dax\(number).0" }

  var dataStart: UInt64 { base + dataOffset }

  /// 4 KiB blocks of the namespace.
  var blockCount: UInt64 { dataSize >> PageSize.base.shift }

  func contains(_ physical: UInt64) -> Bool {
    base <= physical && physical - base < dataOffset + dataSize
  }
}
