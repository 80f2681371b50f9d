/// A change between `begin` and `complete`.
struct PendingChange: Sendable {
  let id: UInt64
  let change: Change
  /// As the plan says them, bytes.
  let address: UInt64
  let length: UInt64
  /// What is changing. Parts are taken out when something else is known to be there by now.
  var ranges: [Range<UInt64>]
  /// A move whose place only its completion tells.
  let targetUnknown: Bool

  func touches(_ range: Range<UInt64>) -> Bool {
    ranges.contains { $0.overlaps(range) }
  }

  /// Takes `range` out of what is changing.
  mutating func exclude(_ range: Range<UInt64>) {
    ranges = ranges.flatMap { old -> [Range<UInt64>] in
      guard old.overlaps(range) else { return [old] }
      let below = old.lowerBound..<max(old.lowerBound, range.lowerBound)
      let above = min(old.upperBound, range.upperBound)..<old.upperBound
      return [below, above].filter { !$0.isEmpty }
    }
  }
}
