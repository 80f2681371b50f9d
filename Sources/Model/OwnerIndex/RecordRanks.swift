/// How many records of each of a leaf's chunks begin before each group of 32 blocks: where to look for the record of a block.
///
/// Every change keeps them true: nothing has to be built before it is read. Those of all chunks of a leaf are side by side, small enough
/// to stay in a processor's cache when the records do not, and a question finds them without asking for the chunk: both loads are
/// under way at once.
///
/// 128 bytes for each chunk, from the leaf's first record on.
struct RecordRanks {
  private static let groupShift: UInt32 = 5
  private static let groups = Int(Chunk.blocks) >> Int(groupShift)

  private var ranks: ContiguousArray<UInt16> = []

  /// Bytes in use.
  var byteCount: Int { ranks.isEmpty ? 0 : ranks.capacity * 2 + arrayHeader }

  /// The records of a chunk that begin in the group of `offset`.
  ///
  /// - Parameter count: of all records of the chunk.
  @inline(__always)
  func records(around offset: UInt32, of chunk: Int, count: Int) -> Range<Int> {
    if ranks.isEmpty { return 0..<0 }
    let group = Int(offset >> Self.groupShift)
    let place = chunk * Self.groups + group
    let end = group + 1 < Self.groups ? Int(ranks[place + 1]) : count
    return Int(ranks[place])..<end
  }

  /// A record of the chunk begins at `offset`, where none did.
  mutating func insert(_ offset: UInt32, of chunk: Int) { add(1, behind: offset, of: chunk) }

  /// None begins there any more.
  mutating func remove(_ offset: UInt32, of chunk: Int) { add(~0, behind: offset, of: chunk) }

  /// Cost: a step over the later groups of the chunk.
  private mutating func add(_ step: UInt16, behind offset: UInt32, of chunk: Int) {
    if ranks.isEmpty {
      ranks = ContiguousArray(repeating: 0, count: Self.groups * ChunkTable.leafChunks)
    }
    let next = chunk * Self.groups + Int(offset >> Self.groupShift) + 1
    for later in next..<(chunk + 1) * Self.groups { ranks[later] &+= step }
  }
}
