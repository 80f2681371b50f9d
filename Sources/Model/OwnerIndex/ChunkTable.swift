/// The chunks of a device, in leaves of 1 GiB: what a change copies after a snapshot is one leaf and one chunk, not a table of all.
struct ChunkTable {
  private static let leafShift = 7
  static let leafChunks = 1 << leafShift

  /// Chunks, and the ranks of their records.
  private struct Leaf {
    var ranks = RecordRanks()
    var chunks = ContiguousArray(repeating: Chunk(), count: ChunkTable.leafChunks)
  }

  let count: Int
  private var leaves: ContiguousArray<Leaf>

  init(count: Int) {
    self.count = count
    leaves = ContiguousArray(
      repeating: Leaf(), count: (count + Self.leafChunks - 1) >> Self.leafShift)
  }

  /// To look: the functions below change, and keep the ranks true.
  @inline(__always)
  subscript(chunk: Int) -> Chunk {
    _read { yield leaves[chunk >> Self.leafShift].chunks[Self.place(chunk)] }
  }

  var indices: Range<Int> { 0..<count }

  // MARK: Finding

  /// The record that covers `offset` of a chunk.
  @inline(__always)
  func record(covering offset: UInt32, of chunk: Int) -> Record? {
    let index = lastIndex(of: chunk, startingUpTo: offset)
    guard index >= 0 else { return nil }
    let record = self[chunk][index]
    return record.end > offset ? record : nil
  }

  /// Index of the first record of a chunk that ends above `offset`.
  func firstIndex(of chunk: Int, endingAfter offset: UInt32) -> Int {
    let index = lastIndex(of: chunk, startingUpTo: offset)
    return index >= 0 && self[chunk][index].end > offset ? index : index + 1
  }

  /// Indices of the records of a chunk that `part` touches; `part` is not empty.
  func indices(of chunk: Int, touching part: Range<UInt32>) -> Range<Int> {
    let first = firstIndex(of: chunk, endingAfter: part.lowerBound)
    return first..<max(first, lastIndex(of: chunk, startingUpTo: part.upperBound - 1) + 1)
  }

  /// Index of the last record of a chunk that begins at or before `offset`; -1 if none does. Cost: O(log n) of the records that begin in
  /// 32 blocks.
  @inline(__always)
  private func lastIndex(of chunk: Int, startingUpTo offset: UInt32) -> Int {
    let group = leaves[chunk >> Self.leafShift].ranks.records(
      around: offset, of: Self.place(chunk), count: self[chunk].count)
    var next = group.lowerBound
    var end = group.upperBound
    // Few enough are looked at in a row: what a processor guesses of them it has loaded already.
    while end - next > 16 {
      let middle = next + (end - next) / 2
      if self[chunk][middle].start <= offset { next = middle + 1 } else { end = middle }
    }
    while next < end, self[chunk][next].start <= offset { next += 1 }
    return next - 1
  }

  // MARK: Changing

  /// Puts a record behind all others of a chunk.
  mutating func append(_ record: Record, to chunk: Int) {
    change(chunk) { leaf, place in
      leaf.chunks[place].append(record)
      leaf.ranks.insert(record.start, of: place)
    }
  }

  /// Puts a record that begins where that of `index` does in its place.
  mutating func replace(_ index: Int, of chunk: Int, with record: Record) {
    assert(self[chunk][index].start == record.start)
    change(chunk) { leaf, place in leaf.chunks[place][index] = record }
  }

  /// Puts records in the place of those in `indices`.
  ///
  /// Cost: as `Chunk.replace`, and a step over the ranks for each record before and after.
  mutating func replace(_ indices: Range<Int>, of chunk: Int, with new: [Record]) {
    change(chunk) { leaf, place in
      for index in indices { leaf.ranks.remove(leaf.chunks[place][index].start, of: place) }
      for record in new { leaf.ranks.insert(record.start, of: place) }
      leaf.chunks[place].replace(indices, with: new)
    }
  }

  /// Gives the spare room of growing arrays back. Cost: copies every record.
  mutating func compact() {
    for chunk in indices { change(chunk) { leaf, place in leaf.chunks[place].compact() } }
  }

  @inline(__always)
  private mutating func change(_ chunk: Int, _ body: (inout Leaf, Int) -> Void) {
    body(&leaves[chunk >> Self.leafShift], Self.place(chunk))
  }

  /// Of a chunk in its leaf.
  @inline(__always)
  private static func place(_ chunk: Int) -> Int { chunk & (leafChunks - 1) }

  // MARK: Size

  /// Bytes in use. Cost: O(chunks).
  var byteCount: Int {
    leaves.reduce(arrayHeader) { sum, leaf in
      leaf.chunks.reduce(sum + leaf.chunks.count * MemoryLayout<Chunk>.stride + arrayHeader) {
        $0 + $1.byteCount
      } + leaf.ranks.byteCount
    }
  }
}
