internal import PmemBase

/// The free blocks of each group, and those freed since the log was last written, which may not be
/// used again before.
struct FreeSpace {
  private let groupBlocks: UInt64
  private var groups: [ContiguousArray<Range<UInt64>>] = []
  private var busy: [Range<UInt64>] = []

  /// All blocks free.
  init(blocks: UInt64, groupBlocks: UInt64) {
    self.groupBlocks = groupBlocks
    var start: UInt64 = 0
    while start < blocks {
      groups.append([start..<min(blocks, start + groupBlocks)])
      start += groupBlocks
    }
  }

  /// All blocks free but those in `used`, in any order, which may overlap.
  init(blocks: UInt64, groupBlocks: UInt64, used: [Range<UInt64>]) {
    self.init(blocks: blocks, groupBlocks: groupBlocks)
    groups = groups.map { _ in [] }
    var next: UInt64 = 0
    for range in used.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { free(next..<range.lowerBound) }
      next = max(next, range.upperBound)
    }
    if next < blocks { free(next..<blocks) }
    settle()
  }

  /// Blocks that are free, busy ones too.
  var freeCount: UInt64 {
    groups.reduce(0) { $0 + $1.reduce(0) { $0 + UInt64($1.count) } }
      + busy.reduce(0) { $0 + UInt64($1.count) }
  }

  /// Takes given blocks, which must be free.
  mutating func take(_ blocks: Range<UInt64>) {
    let group = Int(blocks.lowerBound / groupBlocks)
    guard let index = groups[group].firstIndex(where: { $0.contains(blocks.lowerBound) }),
      groups[group][index].upperBound >= blocks.upperBound
    else { preconditionFailure("blocks \(blocks) are not free") }
    cut(blocks, group, index)
  }

  /// Takes at most `count` blocks next to each other, beginning at a multiple of `alignment`.
  ///
  /// First at `goal`, then behind it in its group, before it, and in the groups that follow: the
  /// first place that has all of them. Where no place has, the longest is cut. Nil if nothing is
  /// free.
  mutating func allocate(
    _ count: UInt64, near goal: UInt64, alignment: UInt64
  ) -> Range<UInt64>? {
    if let found = find(count, near: goal, alignment: alignment) { return found }
    if alignment > 1, let found = find(count, near: goal, alignment: 1) { return found }
    if !busy.isEmpty {
      settle()
      return allocate(count, near: goal, alignment: alignment)
    }
    var best: (group: Int, index: Int)?
    for group in groups.indices {
      for index in groups[group].indices {
        if best.map({ groups[$0.group][$0.index].count < groups[group][index].count }) ?? true {
          best = (group, index)
        }
      }
    }
    guard let best else { return nil }
    let run = groups[best.group][best.index]
    let taken = run.lowerBound..<min(run.upperBound, run.lowerBound + count)
    cut(taken, best.group, best.index)
    return taken
  }

  /// Gives blocks back; they are busy until `settle`.
  mutating func free(_ blocks: Range<UInt64>) {
    if !blocks.isEmpty { busy.append(blocks) }
  }

  /// The log is written: what was busy can be used again.
  mutating func settle() {
    let ranges = busy
    busy = []
    for range in ranges {
      var start = range.lowerBound
      while start < range.upperBound {
        let group = start / groupBlocks
        let end = min(range.upperBound, (group + 1) * groupBlocks)
        put(start..<end, Int(group))
        start = end
      }
    }
  }

  // MARK: Private

  private mutating func find(
    _ count: UInt64, near goal: UInt64, alignment: UInt64
  ) -> Range<UInt64>? {
    let first = min(Int(goal / groupBlocks), groups.count - 1)
    for turn in 0..<groups.count {
      let group = (first + turn) % groups.count
      for minimum in turn == 0 ? [goal, 0] : [0] {
        for index in groups[group].indices where groups[group][index].upperBound > minimum {
          let run = groups[group][index]
          let start = (max(run.lowerBound, minimum) + alignment - 1) / alignment * alignment
          guard start < run.upperBound, run.upperBound - start >= count else { continue }
          let taken = start..<start + count
          cut(taken, group, index)
          return taken
        }
      }
    }
    return nil
  }

  private mutating func cut(_ blocks: Range<UInt64>, _ group: Int, _ index: Int) {
    let run = groups[group][index]
    var rest: [Range<UInt64>] = []
    if run.lowerBound < blocks.lowerBound { rest.append(run.lowerBound..<blocks.lowerBound) }
    if blocks.upperBound < run.upperBound { rest.append(blocks.upperBound..<run.upperBound) }
    groups[group].replaceSubrange(index...index, with: rest)
  }

  private mutating func put(_ blocks: Range<UInt64>, _ group: Int) {
    var blocks = blocks
    var index = groups[group].partitioningIndex { $0.lowerBound >= blocks.lowerBound }
    if index < groups[group].count, groups[group][index].lowerBound == blocks.upperBound {
      blocks = blocks.lowerBound..<groups[group][index].upperBound
      groups[group].remove(at: index)
    }
    if index > 0, groups[group][index - 1].upperBound == blocks.lowerBound {
      blocks = groups[group][index - 1].lowerBound..<blocks.upperBound
      index -= 1
      groups[group][index] = blocks
    } else {
      groups[group].insert(blocks, at: index)
    }
  }
}
