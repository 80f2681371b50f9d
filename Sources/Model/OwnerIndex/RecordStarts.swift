/// Where the records of a leaf's chunks begin: bits, and ranks that count them.
///
/// Groups of four words: one that says how many records of the chunk begin before each of the three behind it (16 bits each), and
/// those three, for 192 blocks. So the record of a block is one load, one population count and its place. Every change
/// keeps the ranks true: nothing has to be built before it is read. All chunks of a leaf have theirs side by side, where a question
/// finds them without asking for the chunk: both loads are under way at once.
///
/// 352 bytes for each chunk, from the leaf's first record on.
struct RecordStarts {
  private static let groupBlocks: UInt64 = 192
  private static let chunkWords = Int((Chunk.blocks + groupBlocks - 1) / groupBlocks) * 4
  /// One in each of the three ranks of a group.
  private static let one: UInt64 = 0x1_0001_0001

  private var words: ContiguousArray<UInt64> = []

  /// Bytes in use.
  var byteCount: Int { words.isEmpty ? 0 : words.capacity * 8 + arrayHeader }

  /// Index of the last record of a chunk that begins at or before `offset`; -1 if none does.
  @inline(__always)
  func lastIndex(of chunk: Int, startingUpTo offset: UInt32) -> Int {
    if words.isEmpty { return -1 }
    let (group, place) = Self.place(chunk, offset)
    let before = words[group] >> UInt64(16 * place) & 0xffff
    let upTo = words[group + 1 + place] & (~0 >> UInt64(63 - offset & 63))
    return Int(before) + upTo.nonzeroBitCount - 1
  }

  /// A record of the chunk begins at `offset`, where none did.
  mutating func insert(_ offset: UInt32, of chunk: Int) { toggle(chunk, offset, by: 1) }

  /// None begins there any more.
  mutating func remove(_ offset: UInt32, of chunk: Int) { toggle(chunk, offset, by: ~0) }

  /// Cost: a step over the later groups of the chunk.
  private mutating func toggle(_ chunk: Int, _ offset: UInt32, by step: UInt64) {
    if words.isEmpty {
      words = ContiguousArray(repeating: 0, count: Self.chunkWords * ChunkTable.leafChunks)
    }
    let (group, place) = Self.place(chunk, offset)
    words[group + 1 + place] ^= 1 << UInt64(offset & 63)
    // A rank never passes a chunk's blocks and never sinks below zero: none carries into the next.
    words[group] &+= (Self.one << UInt64(16 * (place + 1)) & 0xffff_ffff_ffff) &* step
    for later in stride(from: group + 4, to: (chunk + 1) * Self.chunkWords, by: 4) {
      words[later] &+= Self.one &* step
    }
  }

  /// Where the group of an offset begins, and which of its three words of bits has it.
  @inline(__always)
  private static func place(_ chunk: Int, _ offset: UInt32) -> (group: Int, place: Int) {
    let word = Int(offset >> 6)
    return (chunk * chunkWords + word / 3 * 4, word % 3)
  }
}
