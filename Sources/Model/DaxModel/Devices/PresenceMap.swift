/// Which folio slots of a window have a page-table entry: one bit each.
///
/// A slot is an absolute one, address / folio size, so that a window can be split and joined without moving bits. Bits
/// come in chunks of 4 KiB (32,768 slots, 128 MiB of base pages), and a chunk nobody has touched takes no memory:
/// the first fault in it allocates, the others do not.
struct PresenceMap: Sendable {
  private static let chunkShift: UInt64 = 15
  private static let wordsPerChunk = 1 << (15 - 6)

  /// Number of the first chunk, slot >> chunkShift.
  private var first: UInt64
  /// An empty array is a chunk without a bit.
  private var chunks: ContiguousArray<ContiguousArray<UInt64>>
  /// Bits set.
  private(set) var count = 0

  /// Nothing present in `slots`.
  init(slots: Range<UInt64>) {
    first = slots.lowerBound >> Self.chunkShift
    let end = slots.isEmpty ? first : (slots.upperBound - 1) >> Self.chunkShift + 1
    chunks = ContiguousArray(repeating: [], count: Int(end - first))
  }

  @inline(__always)
  func contains(_ slot: UInt64) -> Bool {
    let (chunk, word) = position(slot)
    return !chunks[chunk].isEmpty && chunks[chunk][word] & (1 << (slot & 63)) != 0
  }

  /// Marks one slot, which is absent.
  @inline(__always)
  mutating func insert(_ slot: UInt64) {
    let (chunk, word) = position(slot)
    if chunks[chunk].isEmpty { fill(chunk) }
    chunks[chunk][word] |= 1 << (slot & 63)
    count += 1
  }

  /// Marks slots, all of them absent.
  mutating func insert(_ slots: Range<UInt64>) {
    for (chunk, word, mask) in words(slots) {
      if chunks[chunk].isEmpty { fill(chunk) }
      chunks[chunk][word] |= mask
    }
    count += slots.count
  }

  /// Clears slots, present or not.
  mutating func remove(_ slots: Range<UInt64>) {
    for (chunk, word, mask) in words(slots) where !chunks[chunk].isEmpty {
      count -= (chunks[chunk][word] & mask).nonzeroBitCount
      chunks[chunk][word] &= ~mask
    }
  }

  /// The first present slot of `slots`, or its end.
  func firstPresent(in slots: Range<UInt64>) -> UInt64 {
    find(in: slots, wanted: true)
  }

  /// The first absent slot of `slots`, or its end.
  func firstAbsent(in slots: Range<UInt64>) -> UInt64 {
    find(in: slots, wanted: false)
  }

  /// Where the absent slots that end at `slots.upperBound` begin, not before `slots.lowerBound`.
  func absentBefore(endOf slots: Range<UInt64>) -> UInt64 {
    var slot = slots.upperBound
    while slot > slots.lowerBound, !contains(slot - 1) { slot -= 1 }
    return slot
  }

  /// The maximal runs of present slots in `slots`, ascending.
  func presentRuns(in slots: Range<UInt64>) -> [Range<UInt64>] {
    var runs: [Range<UInt64>] = []
    var slot = firstPresent(in: slots)
    while slot < slots.upperBound {
      let end = firstAbsent(in: slot..<slots.upperBound)
      runs.append(slot..<end)
      slot = firstPresent(in: end..<slots.upperBound)
    }
    return runs
  }

  /// The present slots of `slots` only, as a map of its own.
  func restricted(to slots: Range<UInt64>) -> PresenceMap {
    var part = PresenceMap(slots: slots)
    for (chunk, word, mask) in words(slots) where !chunks[chunk].isEmpty {
      let bits = chunks[chunk][word] & mask
      if bits == 0 { continue }
      let target = Int(first + UInt64(chunk) - part.first)
      if part.chunks[target].isEmpty { part.fill(target) }
      part.chunks[target][word] = bits
      part.count += bits.nonzeroBitCount
    }
    return part
  }

  /// Two maps of neighbouring ranges as one; `right` begins where `left` ends.
  init(joining left: PresenceMap, _ right: PresenceMap) {
    self = left
    count += right.count
    for (index, chunk) in right.chunks.enumerated() {
      let target = Int(right.first - first) + index
      if target == chunks.count {
        chunks.append(chunk)
      } else if chunks[target].isEmpty {
        chunks[target] = chunk
      } else {
        for word in chunk.indices { chunks[target][word] |= chunk[word] }
      }
    }
  }

  // MARK: Private

  @inline(__always)
  private func position(_ slot: UInt64) -> (chunk: Int, word: Int) {
    (
      Int(truncatingIfNeeded: (slot >> Self.chunkShift) &- first),
      Int(truncatingIfNeeded: (slot >> 6) & UInt64(Self.wordsPerChunk - 1))
    )
  }

  @inline(never)
  private mutating func fill(_ chunk: Int) {
    chunks[chunk] = ContiguousArray(repeating: 0, count: Self.wordsPerChunk)
  }

  /// The words that `slots` touches, with the bits of each that belong to it.
  private func words(
    _ slots: Range<UInt64>
  ) -> some Sequence<(chunk: Int, word: Int, mask: UInt64)> {
    let base = first
    return sequence(state: slots.lowerBound) { slot -> (chunk: Int, word: Int, mask: UInt64)? in
      guard slot < slots.upperBound else { return nil }
      let end = min(slots.upperBound, (slot | 63) + 1)
      let bits = end - slot
      let mask = (bits == 64 ? UInt64.max : (1 << bits) - 1) << (slot & 63)
      let chunk = Int((slot >> Self.chunkShift) - base)
      let word = Int((slot >> 6) & UInt64(Self.wordsPerChunk - 1))
      slot = end
      return (chunk, word, mask)
    }
  }

  private func find(in slots: Range<UInt64>, wanted: Bool) -> UInt64 {
    var slot = slots.lowerBound
    while slot < slots.upperBound {
      let (chunk, word) = position(slot)
      if chunks[chunk].isEmpty {
        if !wanted { return slot }
        slot = (slot | (1 << Self.chunkShift - 1)) + 1
        continue
      }
      let bits = wanted ? chunks[chunk][word] : ~chunks[chunk][word]
      let rest = bits >> (slot & 63)
      if rest != 0 { return min(slots.upperBound, slot + UInt64(rest.trailingZeroBitCount)) }
      slot = (slot | 63) + 1
    }
    return slots.upperBound
  }
}
