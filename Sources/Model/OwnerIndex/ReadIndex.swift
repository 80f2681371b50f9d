/// Where each chunk's records begin, as bits with ranks: a lookup is one load, one population count
/// and the record.
///
/// Groups of four words: three of bits for 192 blocks, and one that says how many records begin
/// before each of the three. 1376 bytes for a chunk. It is of one moment: a change of the chunk
/// makes it stale, and lookups search until it is built again.
struct ReadIndex {
  private static let groupBlocks: UInt64 = 192
  private static let groups = Int((OwnerIndex.chunkBlocks + groupBlocks - 1) / groupBlocks)

  private var words: ContiguousArray<UInt64> = []
  private var isReady: ContiguousArray<Bool>

  init(chunks: Int) { isReady = ContiguousArray(repeating: false, count: chunks) }

  var byteCount: Int { words.capacity * 8 + isReady.count }

  func isReady(_ chunk: Int) -> Bool { isReady[chunk] }

  mutating func invalidate(_ chunk: Int) { isReady[chunk] = false }

  /// Notes where the records of a chunk begin. Cost: O(records), 1.4 KB.
  mutating func build(_ chunk: Int, _ records: ContiguousArray<Record>) {
    if words.isEmpty {
      words = ContiguousArray(repeating: 0, count: isReady.count * Self.groups * 4)
    }
    let base = chunk * Self.groups * 4
    for word in base..<base + Self.groups * 4 { words[word] = 0 }
    for record in records {
      let word = record.start >> 6
      words[base + Int(word / 3) * 4 + 1 + Int(word % 3)] |= 1 << UInt64(record.start & 63)
    }
    var rank: UInt64 = 0
    for group in stride(from: base, to: base + Self.groups * 4, by: 4) {
      for word in 0..<3 {
        words[group] |= rank << UInt64(16 * word)
        rank += UInt64(words[group + 1 + word].nonzeroBitCount)
      }
    }
    isReady[chunk] = true
  }

  /// Index of the last record of a chunk that begins at or before `offset`; -1 if none does.
  @inline(__always)
  func lastIndex(in chunk: Int, startingUpTo offset: UInt32) -> Int {
    let word = Int(offset >> 6)
    let place = word % 3
    let group = (chunk * Self.groups + word / 3) * 4
    let before = words[group] >> UInt64(16 * place) & 0xffff
    let upTo = words[group + 1 + place] & (~0 >> UInt64(63 - offset & 63))
    return Int(before) + upTo.nonzeroBitCount - 1
  }
}
