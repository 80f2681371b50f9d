/// A set of bytes, as ranges that are ascending and apart.
struct ByteRanges: Equatable, Sendable {
  private(set) var ranges: [Range<UInt64>] = []

  /// Cost: linear in the ranges.
  mutating func insert(_ new: Range<UInt64>) {
    guard !new.isEmpty else { return }
    var merged = new
    ranges.removeAll { old in
      guard old.lowerBound <= merged.upperBound, merged.lowerBound <= old.upperBound else {
        return false
      }
      merged =
        min(old.lowerBound, merged.lowerBound)..<max(old.upperBound, merged.upperBound)
      return true
    }
    ranges.insert(
      merged, at: ranges.firstIndex { $0.lowerBound > merged.lowerBound } ?? ranges.count)
  }

  /// Cost: linear in the ranges.
  mutating func remove(_ gone: Range<UInt64>) {
    ranges = ranges.flatMap { old -> [Range<UInt64>] in
      guard old.overlaps(gone) else { return [old] }
      let below = old.lowerBound..<max(old.lowerBound, gone.lowerBound)
      let above = min(old.upperBound, gone.upperBound)..<old.upperBound
      return [below, above].filter { !$0.isEmpty }
    }
  }
}
