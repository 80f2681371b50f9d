/// Which files own each block of a device: the reverse map, exact under clone, copy-on-write,
/// truncate and punch.
///
/// The blocks are cut into chunks of `chunkBlocks`; a chunk is an ordered array of runs that do not
/// overlap, so a lookup is one array access and a search in a few cache lines, and a change moves
/// no more than one chunk's records. A run that several files share has one record and a list of
/// owners.
///
/// `prepareForReading` lays an index of bits over the chunks, so that a lookup need not search.
///
/// Memory: 24 bytes for each run (a run that crosses chunks has one record in each), 40 bytes for
/// each chunk in use, 24 bytes for each owner of a shared run. Costs are for n runs in the chunks
/// that a call touches and k owners of a block.
public struct OwnerIndex: Sendable {
  static let chunkShift: UInt64 = 13
  /// 32 MiB.
  static let chunkBlocks: UInt64 = 1 << chunkShift

  public let blockCount: UInt64

  var chunks: ContiguousArray<ContiguousArray<Record>>
  var lists = SharedLists()
  var readIndex: ReadIndex

  /// An index in which every block is free.
  public init(blockCount: UInt64) {
    self.blockCount = blockCount
    let count = (blockCount + Self.chunkBlocks - 1) >> Self.chunkShift
    chunks = ContiguousArray(repeating: [], count: Int(count))
    readIndex = ReadIndex(chunks: Int(count))
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
  public func isShared(_ block: UInt64) -> Bool { record(of: block)?.isShared ?? false }

  /// Whether a block has no owner.
  public func isFree(_ block: UInt64) -> Bool { record(of: block) == nil }

  /// The owned runs in `blocks`, ascending, cut at its ends. Free blocks are not among them.
  ///
  /// Cost: O(log n) and what is found.
  public func runs(in blocks: Range<UInt64>) -> [OwnerRun] {
    var runs: [OwnerRun] = []
    forEachPiece(of: blocks) { chunk, part in
      let base = UInt64(chunk) << Self.chunkShift
      for record in chunks[chunk][indices(in: chunk, touching: part)] {
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
      let chunk = Int(next >> Self.chunkShift)
      let base = UInt64(chunk) << Self.chunkShift
      guard chunk < chunks.count else { break }
      let offset = UInt32(next - base)
      var index = firstIndex(in: chunk, endingAfter: offset)
      while index < chunks[chunk].count, next < limit {
        let record = chunks[chunk][index]
        let start = base + UInt64(record.start)
        if shared {
          if !record.isShared || start > next { return (true, next) }
        } else if record.isShared {
          return (false, min(limit, max(next, start)))
        }
        next = min(limit, base + UInt64(record.end))
        index += 1
      }
      let end = min(limit, base + Self.chunkBlocks)
      if shared, next < end { return (true, next) }
      next = end
    }
    return (shared, limit)
  }

  /// Makes lookups fast where changes made them search: after a mount, a scan, or when a while has
  /// passed without changes.
  ///
  /// Cost: O(records) of the chunks that have changed; the first time 1.4 KB of memory for each
  /// chunk of the device.
  public mutating func prepareForReading() {
    for chunk in chunks.indices where !readIndex.isReady(chunk) && !chunks[chunk].isEmpty {
      readIndex.build(chunk, chunks[chunk])
    }
  }

  // MARK: Size

  /// Records in use: runs, counted once in each chunk.
  public var recordCount: Int { chunks.reduce(0) { $0 + $1.count } }

  /// Bytes of memory in use for records, spare room included.
  public var byteCount: Int {
    chunks.reduce(0) { $0 + $1.capacity * MemoryLayout<Record>.stride + 40 }
      + lists.ownerCount * MemoryLayout<BlockOwner>.stride + readIndex.byteCount
  }

  /// Gives the spare room of growing arrays back. Cost: copies every record.
  public mutating func compact() {
    for chunk in chunks.indices where chunks[chunk].capacity > chunks[chunk].count {
      var exact = ContiguousArray<Record>()
      exact.reserveCapacity(chunks[chunk].count)
      exact.append(contentsOf: chunks[chunk])
      chunks[chunk] = exact
    }
  }

  // MARK: Places

  static func offset(_ block: UInt64) -> UInt64 { block & (chunkBlocks - 1) }

  /// The record that covers a block.
  private func record(of block: UInt64) -> Record? {
    let chunk = Int(truncatingIfNeeded: block >> Self.chunkShift)
    guard block < blockCount else { return nil }
    let offset = UInt32(truncatingIfNeeded: Self.offset(block))
    if readIndex.isReady(chunk) {
      let index = readIndex.lastIndex(in: chunk, startingUpTo: offset)
      guard index >= 0, chunks[chunk][index].end > offset else { return nil }
      return chunks[chunk][index]
    }
    let index = firstIndex(in: chunk, endingAfter: offset)
    guard index < chunks[chunk].count, chunks[chunk][index].start <= offset else { return nil }
    return chunks[chunk][index]
  }

  /// Index of the first record that ends above `offset`.
  func firstIndex(in chunk: Int, endingAfter offset: UInt32) -> Int {
    var low = 0
    var high = chunks[chunk].count
    while low < high {
      let middle = (low + high) / 2
      if chunks[chunk][middle].end <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Indices of the records that `part` touches.
  func indices(in chunk: Int, touching part: Range<UInt32>) -> Range<Int> {
    let first = firstIndex(in: chunk, endingAfter: part.lowerBound)
    var last = first
    while last < chunks[chunk].count, chunks[chunk][last].start < part.upperBound { last += 1 }
    return first..<last
  }

  /// The chunks that `blocks` touches and the part in each, from the chunk's first block.
  func forEachPiece(of blocks: Range<UInt64>, _ body: (Int, Range<UInt32>) -> Void) {
    var next = blocks.lowerBound
    let end = min(blocks.upperBound, blockCount)
    while next < end {
      let chunk = next >> Self.chunkShift
      let base = chunk << Self.chunkShift
      let stop = min(end, base + Self.chunkBlocks)
      body(Int(chunk), UInt32(next - base)..<UInt32(stop - base))
      next = stop
    }
  }
}
