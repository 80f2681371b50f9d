/// Which files own each block of a device: the reverse map, exact under clone, copy-on-write,
/// truncate and punch.
///
/// The blocks are cut into chunks of 8 MiB; a chunk is an ordered array of runs that do not
/// overlap. Ranks say how many begin before each 32 blocks, so a lookup searches those of one
/// group, and a change moves no more than one chunk's records. A run that several files share has one record and a list of
/// owners.
///
/// A value: a copy is a snapshot, which another thread may read while this one changes. Taking it costs
/// nothing; the first change after it copies the table of leaves (16 bytes for each GiB), a leaf (17 KB) and a chunk.
///
/// Memory: 16 bytes for each run (a run that crosses chunks has one record in each), 32 for
/// each chunk in use, 17 KB for each GiB in use, 24 bytes for each owner of a shared run and 56 for its list. Costs are for n runs in
/// the chunks that a call touches and k owners of a block.
public struct OwnerIndex: Sendable {
  public let blockCount: UInt64

  var chunks: ChunkTable
  var lists = SharedLists()

  /// An index in which every block is free.
  public init(blockCount: UInt64) {
    self.blockCount = blockCount
    let count = blockCount >> Chunk.shift + (blockCount & (Chunk.blocks - 1) > 0 ? 1 : 0)
    chunks = ChunkTable(count: Int(count))
  }

  // MARK: Looking

  /// The owners of a block, in order; none if it is free or past the end.
  ///
  /// Cost: O(log n + k); one allocation for the answer.
  public func owners(of block: UInt64) -> [BlockOwner] {
    guard let record = record(of: block) else { return [] }
    let skip = Self.offset(block) - UInt64(record.start)
    guard let list = record.list else { return [record.owner.advanced(by: skip)] }
    return lists[list].map { $0.advanced(by: record.page &+ skip) }
  }

  /// The first owner in order, and how many there are. Does not allocate.
  ///
  /// Cost: O(log n).
  public func firstOwner(of block: UInt64) -> (owner: BlockOwner, count: Int)? {
    guard let record = record(of: block) else { return nil }
    let skip = Self.offset(block) - UInt64(record.start)
    guard let list = record.list else { return (record.owner.advanced(by: skip), 1) }
    return (lists[list][0].advanced(by: record.page &+ skip), lists[list].count)
  }

  /// Whether a block has more than one owner.
  public func isShared(_ block: UInt64) -> Bool { record(of: block).map(isShared) ?? false }

  /// Whether any block may have more than one: false is certain.
  public var sharesBlocks: Bool { lists.count > 0 }

  /// Whether a block has no owner.
  public func isFree(_ block: UInt64) -> Bool { record(of: block) == nil }

  /// The owned runs in `blocks`, ascending, cut at its ends. Free blocks are not among them.
  ///
  /// Cost: O(log n) and what is found.
  public func runs(in blocks: Range<UInt64>) -> [OwnerRun] {
    var runs: [OwnerRun] = []
    forEachPiece(of: blocks) { chunk, part in
      let base = UInt64(chunk) << Chunk.shift
      for index in chunks.indices(of: chunk, touching: part) {
        let record = chunks[chunk][index]
        let low = max(record.start, part.lowerBound)
        let high = min(record.end, part.upperBound)
        let cut = record.dropping(low - record.start)
        let owners = cut.list.map { lists[$0].map { $0.advanced(by: cut.page) } } ?? [cut.owner]
        let found = base + UInt64(low)..<base + UInt64(high)
        // Chunks cut what is one run.
        if let last = runs.last, last.blocks.upperBound == found.lowerBound,
          last.owners.map({ $0.advanced(by: UInt64(last.blocks.count)) }) == owners
        {
          runs[runs.count - 1] = OwnerRun(
            blocks: last.blocks.lowerBound..<found.upperBound, owners: last.owners)
        } else {
          runs.append(OwnerRun(blocks: found, owners: owners))
        }
      }
    }
    return runs
  }

  /// The end of the stretch from `block` on, up to `limit`, in which every block is shared, or
  /// every block is not.
  ///
  /// Cost: O(log n) and the runs in the stretch.
  public func sharedStretch(from block: UInt64, limit: UInt64) -> (isShared: Bool, end: UInt64) {
    let shared = isShared(block)
    var next = block
    while next < limit {
      let chunk = Int(next >> Chunk.shift)
      let base = UInt64(chunk) << Chunk.shift
      guard chunk < chunks.count else { break }
      let offset = UInt32(next - base)
      var index = chunks.firstIndex(of: chunk, endingAfter: offset)
      while index < chunks[chunk].count, next < limit {
        let record = chunks[chunk][index]
        let start = base + UInt64(record.start)
        if shared {
          if !isShared(record) || start > next { return (true, next) }
        } else if isShared(record) {
          return (false, min(limit, max(next, start)))
        }
        next = min(limit, base + UInt64(record.end))
        index += 1
      }
      let end = min(limit, base + Chunk.blocks)
      if shared, next < end { return (true, next) }
      next = end
    }
    return (shared, limit)
  }

  // MARK: Size

  /// Records in use: runs, counted once in each chunk. Cost: O(chunks).
  public var recordCount: Int { chunks.indices.reduce(0) { $0 + chunks[$1].count } }

  /// Bytes of memory in use, spare room included. Cost: O(chunks).
  public var byteCount: Int {
    chunks.byteCount + lists.byteCount
  }

  /// Gives the spare room of growing arrays back. Cost: copies every record.
  public mutating func compact() {
    chunks.compact()
  }

  // MARK: Places

  static func offset(_ block: UInt64) -> UInt64 { block & (Chunk.blocks - 1) }

  /// The record that covers a block.
  @inline(__always)
  private func record(of block: UInt64) -> Record? {
    guard block < blockCount else { return nil }
    let chunk = Int(truncatingIfNeeded: block >> Chunk.shift)
    let offset = UInt32(truncatingIfNeeded: Self.offset(block))
    return chunks.record(covering: offset, of: chunk)
  }

  private func isShared(_ record: Record) -> Bool {
    record.list.map { lists[$0].count > 1 } ?? false
  }

  /// The chunks that `blocks` touches and the part in each, from the chunk's first block.
  func forEachPiece(of blocks: Range<UInt64>, _ body: (Int, Range<UInt32>) -> Void) {
    var next = blocks.lowerBound
    let end = min(blocks.upperBound, blockCount)
    while next < end {
      let chunk = next >> Chunk.shift
      let base = chunk << Chunk.shift
      let stop = min(end, base + Chunk.blocks)
      body(Int(chunk), UInt32(next - base)..<UInt32(stop - base))
      next = stop
    }
  }
}
