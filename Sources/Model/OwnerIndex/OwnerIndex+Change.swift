extension OwnerIndex {
  /// Makes `owner` one of the owners of each block; its page is that of the first block and
  /// advances.
  ///
  /// Blocks that it owns already stay as they are. Blocks past the end are a precondition failure.
  ///
  /// Cost: O(log n) for each chunk, plus a move of the records behind; appending in order of blocks
  /// moves none. O(k) for each shared run.
  public mutating func add(_ owner: BlockOwner, to blocks: Range<UInt64>) {
    precondition(blocks.upperBound <= blockCount, "blocks \(blocks) pass the end, \(blockCount)")
    forEachPieceMutating(of: blocks) { index, chunk, part, skip in
      index.add(owner.advanced(by: skip), in: chunk, part)
    }
  }

  /// Takes `owner` from the owners of each block; its page is that of the first block and advances.
  ///
  /// Blocks that it does not own stay as they are.
  ///
  /// Cost: as for `add`.
  ///
  /// - Returns: How many blocks it owned.
  @discardableResult
  public mutating func remove(_ owner: BlockOwner, from blocks: Range<UInt64>) -> UInt64 {
    var removed: UInt64 = 0
    forEachPieceMutating(of: blocks) { index, chunk, part, skip in
      removed += index.remove(owner.advanced(by: skip), in: chunk, part)
    }
    return removed
  }

  // MARK: One chunk

  private mutating func add(_ owner: BlockOwner, in chunk: Int, _ part: Range<UInt32>) {
    if chunks[chunk].last.map({ $0.end <= part.lowerBound }) ?? true {
      let record = Record(start: part.lowerBound, count: UInt32(part.count), owner: owner)
      if let last = chunks[chunk].last, last.continues(into: record) {
        chunks[chunk][chunks[chunk].count - 1].count += record.count
      } else {
        chunks[chunk].append(record)
      }
      return
    }
    split(chunk, at: part.lowerBound)
    split(chunk, at: part.upperBound)
    let touched = indices(in: chunk, touching: part)
    var result: [Record] = []
    result.reserveCapacity(touched.count + 1)
    var next = part.lowerBound
    for index in touched {
      let record = chunks[chunk][index]
      if next < record.start {
        result.append(
          Record(
            start: next, count: record.start - next,
            owner: owner.advanced(by: UInt64(next - part.lowerBound))))
      }
      result.append(
        adding(owner.advanced(by: UInt64(record.start - part.lowerBound)), to: record))
      next = record.end
    }
    if next < part.upperBound {
      result.append(
        Record(
          start: next, count: part.upperBound - next,
          owner: owner.advanced(by: UInt64(next - part.lowerBound))))
    }
    replace(touched, in: chunk, with: result)
  }

  private mutating func remove(
    _ owner: BlockOwner, in chunk: Int, _ part: Range<UInt32>
  ) -> UInt64 {
    split(chunk, at: part.lowerBound)
    split(chunk, at: part.upperBound)
    let touched = indices(in: chunk, touching: part)
    var result: [Record] = []
    result.reserveCapacity(touched.count)
    var removed: UInt64 = 0
    for index in touched {
      let record = chunks[chunk][index]
      let wanted = owner.advanced(by: UInt64(record.start - part.lowerBound))
      let (kept, found) = removing(wanted, from: record)
      if let kept { result.append(kept) }
      if found { removed += UInt64(record.count) }
    }
    replace(touched, in: chunk, with: result)
    return removed
  }

  // MARK: One record

  private mutating func adding(_ owner: BlockOwner, to record: Record) -> Record {
    guard let list = record.list else {
      let other = record.owner
      if other == owner { return record }
      let number = lists.add(other < owner ? [other, owner] : [owner, other])
      return Record(start: record.start, count: record.count, list: number, skip: 0)
    }
    var owners = lists[list].map { $0.advanced(by: record.page) }
    let place = owners.place(of: owner)
    if place < owners.count, owners[place] == owner { return record }
    if record.page == 0 {
      owners = []
      if lists.update(list, { $0.insert(owner, at: place) }) { return record }
      owners = lists[list]
    }
    owners.insert(owner, at: place)
    lists.put(list)
    return Record(
      start: record.start, count: record.count, list: lists.add(owners), skip: 0)
  }

  private mutating func removing(
    _ owner: BlockOwner, from record: Record
  ) -> (kept: Record?, found: Bool) {
    guard let list = record.list else {
      return record.owner == owner ? (nil, true) : (record, false)
    }
    var owners = lists[list].map { $0.advanced(by: record.page) }
    let place = owners.place(of: owner)
    guard place < owners.count, owners[place] == owner else { return (record, false) }
    if record.page == 0, owners.count > 2 {
      owners = []
      if lists.update(list, { $0.remove(at: place) }) { return (record, true) }
      owners = lists[list]
    }
    owners.remove(at: place)
    lists.put(list)
    if owners.count == 1 {
      return (Record(start: record.start, count: record.count, owner: owners[0]), true)
    }
    return (
      Record(start: record.start, count: record.count, list: lists.add(owners), skip: 0), true
    )
  }

  // MARK: Private

  /// Cuts the record that has `offset` inside.
  private mutating func split(_ chunk: Int, at offset: UInt32) {
    let index = firstIndex(in: chunk, endingAfter: offset)
    guard index < chunks[chunk].count, chunks[chunk][index].start < offset else { return }
    let rest = chunks[chunk][index].dropping(offset - chunks[chunk][index].start)
    if let list = rest.list { lists.get(list) }
    chunks[chunk][index].count -= rest.count
    chunks[chunk].insert(rest, at: index + 1)
  }

  /// Puts `records` in the place of those in `indices`, joined where they go on, with their
  /// neighbours too.
  private mutating func replace(
    _ indices: Range<Int>, in chunk: Int, with records: [Record]
  ) {
    var low = indices.lowerBound
    var high = indices.upperBound
    var joined: [Record] = []
    joined.reserveCapacity(records.count + 2)
    if low > 0 {
      low -= 1
      join(chunks[chunk][low], onto: &joined)
    }
    for record in records { join(record, onto: &joined) }
    if high < chunks[chunk].count {
      join(chunks[chunk][high], onto: &joined)
      high += 1
    }
    chunks[chunk].replaceSubrange(low..<high, with: joined)
  }

  private mutating func join(_ record: Record, onto joined: inout [Record]) {
    guard let last = joined.last, isOne(last, record) else {
      joined.append(record)
      return
    }
    joined[joined.count - 1].count += record.count
    if let list = record.list { lists.put(list) }
  }

  /// Whether `next` goes on where `record` ends, by the same list or an equal one.
  private func isOne(_ record: Record, _ next: Record) -> Bool {
    if record.continues(into: next) { return true }
    guard record.end == next.start, let one = record.list, let other = next.list, one != other,
      lists[one].count == lists[other].count
    else { return false }
    let here = lists[one]
    let there = lists[other]
    for index in here.indices {
      let reached = here[index].advanced(by: record.page &+ UInt64(record.count))
      if reached != there[index].advanced(by: next.page) { return false }
    }
    return true
  }

  private mutating func forEachPieceMutating(
    of blocks: Range<UInt64>,
    _ body: (inout OwnerIndex, Int, Range<UInt32>, UInt64) -> Void
  ) {
    var next = blocks.lowerBound
    let end = min(blocks.upperBound, blockCount)
    while next < end {
      let chunk = next >> Self.chunkShift
      let base = chunk << Self.chunkShift
      let stop = min(end, base + Self.chunkBlocks)
      readIndex.invalidate(Int(chunk))
      body(
        &self, Int(chunk), UInt32(next - base)..<UInt32(stop - base), next - blocks.lowerBound)
      next = stop
    }
  }
}
