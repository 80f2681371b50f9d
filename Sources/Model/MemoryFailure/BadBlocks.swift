/// Sectors of 512 bytes that are known to be unreadable, as `badblocks` files list them.
///
/// Ranges are kept ascending, apart and whole: neighbours become one.
///
/// Source: block/badblocks.c; `nvdimm_badblocks_populate`, drivers/nvdimm/badrange.c.
public struct BadBlocks: Equatable, Sendable {
  /// Bytes in a sector.
  public static let sectorSize: UInt64 = 512

  /// In sectors.
  public private(set) var ranges: [Range<UInt64>] = []

  public init() {}

  public var isEmpty: Bool { ranges.isEmpty }

  /// Adds the sectors that `bytes` touches.
  public mutating func add(bytes: Range<UInt64>) {
    guard !bytes.isEmpty else { return }
    var merged = Self.sectors(bytes)
    ranges.removeAll { old in
      guard old.lowerBound <= merged.upperBound, merged.lowerBound <= old.upperBound else {
        return false
      }
      merged =
        min(old.lowerBound, merged.lowerBound)..<max(old.upperBound, merged.upperBound)
      return true
    }
    let place = ranges.firstIndex { $0.lowerBound > merged.lowerBound } ?? ranges.count
    ranges.insert(merged, at: place)
  }

  /// Forgets the whole sectors in `bytes`; one that is only touched stays.
  public mutating func clear(bytes: Range<UInt64>) {
    let low = (bytes.lowerBound + Self.sectorSize - 1) / Self.sectorSize
    let high = bytes.upperBound / Self.sectorSize
    guard low < high else { return }
    ranges = ranges.flatMap { old -> [Range<UInt64>] in
      guard old.overlaps(low..<high) else { return [old] }
      let below = old.lowerBound..<max(old.lowerBound, min(low, old.upperBound))
      let above = min(old.upperBound, max(high, old.lowerBound))..<old.upperBound
      return [below, above].filter { !$0.isEmpty }
    }
  }

  /// Whether any sector that `bytes` touches is bad.
  public func contains(anyOf bytes: Range<UInt64>) -> Bool {
    guard !ranges.isEmpty, !bytes.isEmpty else { return false }
    let wanted = Self.sectors(bytes)
    return ranges.contains { $0.overlaps(wanted) }
  }

  /// Bytes from `bytes.lowerBound` to the first bad sector, or all of them.
  public func goodPrefix(of bytes: Range<UInt64>) -> UInt64 {
    let wanted = Self.sectors(bytes)
    guard let first = ranges.first(where: { $0.overlaps(wanted) }) else {
      return UInt64(bytes.count)
    }
    let start = first.lowerBound * Self.sectorSize
    return start <= bytes.lowerBound ? 0 : start - bytes.lowerBound
  }

  private static func sectors(_ bytes: Range<UInt64>) -> Range<UInt64> {
    (bytes.lowerBound / sectorSize)..<((bytes.upperBound - 1) / sectorSize + 1)
  }
}
