import PmemBase
import Testing

@Suite struct `page sizes` {
  /// Catches a shift, an order or a name of another size.
  @Test(
    arguments: [
      (PageSize.base, 4096, 0, 1, "4k"), (.huge, 2 << 20, 9, 512, "2m"),
      (.giant, 1 << 30, 18, 262_144, "1g"),
    ] as [(PageSize, UInt64, Int, UInt64, String)])
  func `are 4 KiB, 2 MiB and 1 GiB`(
    size: PageSize, bytes: UInt64, order: Int, pages: UInt64, name: String
  ) {
    #expect(size.bytes == bytes && size.order == order && size.pages == pages)
    #expect(size.shortName == name)
    #expect(PageSize(bytes: bytes) == size)
    #expect(UInt64(1) << size.shift == bytes)
  }

  /// Catches an alignment that no page-table entry has.
  @Test(arguments: [0, 1, 4095, 8192, 65536, 1 << 20, 4 << 20, 1 << 39] as [UInt64])
  func `are no others`(bytes: UInt64) {
    #expect(PageSize(bytes: bytes) == nil)
  }

  /// Catches rounding that is off by one, or wraps at the end of 64 bits.
  @Test(arguments: PageSize.allCases)
  func `round addresses`(size: PageSize) {
    let unit = size.bytes
    #expect(size.isAligned(0) && size.isAligned(unit) && size.isAligned(3 * unit))
    #expect(!size.isAligned(1) && !size.isAligned(unit - 1) && !size.isAligned(unit + 1))
    #expect(size.roundDown(unit - 1) == 0 && size.roundDown(unit) == unit)
    #expect(size.roundDown(2 * unit - 1) == unit)
    #expect(size.roundUp(0) == 0 && size.roundUp(1) == unit && size.roundUp(unit) == unit)
    #expect(size.roundUp(unit + 1) == 2 * unit)
    #expect(size.roundUp(.max - unit + 1) == .max - unit + 1)
    #expect(size.roundUp(.max - unit + 2) == nil && size.roundUp(.max) == nil)
    #expect(size.roundDown(.max) == .max - unit + 1)
  }
}
