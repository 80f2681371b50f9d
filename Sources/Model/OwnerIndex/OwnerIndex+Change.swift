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
      let record = record(part, owner)
      if let last = chunks[chunk].last, isOne(last, record) {
        chunks.replace(
          chunks[chunk].count - 1, of: chunk, with: last.extended(by: record.count))
        if let list = record.list { lists.put(list) }
      } else {
        chunks.append(record, to: chunk)
      }
      return
    }
    rewrite(chunk, part) { index, stretch, record in
      let owner = owner.advanced(by: UInt64(stretch.lowerBound - part.lowerBound))
      return record.map { index.adding(owner, to: $0) }
        ?? index.record(stretch, owner)
    }
  }

  private mutating func remove(
    _ owner: BlockOwner, in chunk: Int, _ part: Range<UInt32>
  ) -> UInt64 {
    var removed: UInt64 = 0
    rewrite(chunk, part) { index, stretch, record in
      guard let record else { return nil }
      let wanted = owner.advanced(by: UInt64(stretch.lowerBound - part.lowerBound))
      let (kept, found) = index.removing(wanted, from: record)
      if found { removed += UInt64(record.count) }
      return kept
    }
    return removed
  }

  /// Gives every stretch of `part` the record that `change` answers (nil: it becomes free). It is asked with each record
  /// there, cut to the part, and with nil for each stretch that is free. Owns the lists' use counts.
  private mutating func rewrite(
    _ chunk: Int, _ part: Range<UInt32>,
    _ change: (inout OwnerIndex, Range<UInt32>, Record?) -> Record?
  ) {
    let touched = chunks.indices(of: chunk, touching: part)
    if touched.count == 1, chunks[chunk][touched.lowerBound].blocks == part {
      // Most clones and most ends of sharing: the record stays where it is.
      let new = change(&self, part, chunks[chunk][touched.lowerBound])
      guard let new, !joins(new, neighboursOf: touched.lowerBound, in: chunk) else {
        replace(touched, in: chunk, with: new.map { [$0] } ?? [])
        return
      }
      chunks.replace(touched.lowerBound, of: chunk, with: new)
      return
    }
    var result: [Record] = []
    result.reserveCapacity(2 * touched.count + 3)
    var next = part.lowerBound
    for index in touched {
      var record = chunks[chunk][index]
      if record.start < part.lowerBound {
        result.append(record.prefix(part.lowerBound - record.start))
        record = dropping(part.lowerBound - record.start, from: record)
      }
      var rest: Record?
      if record.end > part.upperBound {
        rest = dropping(part.upperBound - record.start, from: record)
        record = record.prefix(part.upperBound - record.start)
      }
      if next < record.start, let new = change(&self, next..<record.start, nil) {
        result.append(new)
      }
      next = record.end
      if let new = change(&self, record.blocks, record) { result.append(new) }
      if let rest { result.append(rest) }
    }
    if next < part.upperBound, let new = change(&self, next..<part.upperBound, nil) {
      result.append(new)
    }
    replace(touched, in: chunk, with: result)
  }

  // MARK: One record

  /// A new record of one owner.
  private mutating func record(_ blocks: Range<UInt32>, _ owner: BlockOwner) -> Record {
    let count = UInt32(blocks.count)
    return Record(start: blocks.lowerBound, count: count, owner: owner)
      ?? Record(start: blocks.lowerBound, count: count, list: lists.add([owner]), skip: 0)
  }

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
      return (self.record(record.blocks, owners[0]), true)
    }
    if owners.isEmpty { return (nil, true) }
    return (
      Record(start: record.start, count: record.count, list: lists.add(owners), skip: 0), true
    )
  }

  // MARK: Private

  /// The part of a record that begins `count` blocks further on, beside the one before it.
  private mutating func dropping(_ count: UInt32, from record: Record) -> Record {
    if let list = record.list { lists.get(list) }
    return record.dropping(count)
  }

  private func joins(_ record: Record, neighboursOf index: Int, in chunk: Int) -> Bool {
    (index > 0 && isOne(chunks[chunk][index - 1], record))
      || (index + 1 < chunks[chunk].count && isOne(record, chunks[chunk][index + 1]))
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
    chunks.replace(low..<high, of: chunk, with: joined)
  }

  private mutating func join(_ record: Record, onto joined: inout [Record]) {
    guard let last = joined.last, isOne(last, record) else {
      joined.append(record)
      return
    }
    joined[joined.count - 1] = last.extended(by: record.count)
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
      let chunk = next >> Chunk.shift
      let base = chunk << Chunk.shift
      let stop = min(end, base + Chunk.blocks)
      body(
        &self, Int(chunk), UInt32(next - base)..<UInt32(stop - base), next - blocks.lowerBound)
      next = stop
    }
  }
}
