import DaxModel
import PageModel
import PmemBase

/// The part of an address space in which the random operations happen, and the devices they map.
///
/// Small, so that operations meet: 4 blocks of 2 MiB, counted in 4 KiB pages from 0.
enum Arena {
  static let base: UInt64 = 1 << 40
  static let block = 512
  static let pages = 4 * block

  /// Device 0 is of 4 KiB pages, device 1 of 2 MiB pages; both have a rest that no page covers.
  static let geometries = [
    DeviceGeometry(size: 24 * 4096 + 512, alignment: .base),
    DeviceGeometry(size: 4 * (2 << 20) + 12288, alignment: .huge),
  ]

  static func folioCount(_ device: Int) -> Int { Int(geometries[device].folioCount) }
  static func isHuge(_ device: Int) -> Bool { geometries[device].alignment == .huge }
  static func pagesPerFolio(_ device: Int) -> Int { isHuge(device) ? block : 1 }

  static func pagemap(_ device: Int) -> Pagemap {
    Pagemap(
      type: .generic, pageCount: geometries[device].size >> 12,
      folioSize: geometries[device].alignment)
  }

  static func address(_ page: Int) -> UInt64 { base + UInt64(page) << 12 }
  static func bytes(_ pages: Int) -> UInt64 { UInt64(pages) << 12 }
  static func page(_ address: UInt64) -> Int { Int((address - base) >> 12) }
  static func addresses(_ pages: Range<Int>) -> Range<UInt64> {
    address(pages.lowerBound)..<address(pages.upperBound)
  }
}
