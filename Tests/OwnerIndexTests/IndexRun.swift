internal import OwnerIndex
import TestSupport

/// Runs operations on the index and on a dictionary from block to owners, and compares.
struct IndexRun {
  private var index = OwnerIndex(blockCount: OwnerOperation.blocks)
  private var naive: [UInt64: Set<BlockOwner>] = [:]
  /// Copies taken on the way, which later changes must not reach.
  private var snapshots: [(OwnerIndex, [UInt64: Set<BlockOwner>])] = []
  /// What each file has: inode and page to block.
  private var files: [UInt64: [UInt64: UInt64]] = [:]

  /// nil if the two agree after every step.
  static func difference(_ operations: [OwnerOperation]) -> (step: Int, text: String)? {
    var run = IndexRun()
    for (step, operation) in operations.enumerated() {
      run.perform(operation)
      if let text = run.check() { return (step, text) }
    }
    for (index, naive) in run.snapshots {
      (run.index, run.naive) = (index, naive)
      if let text = run.check() { return (operations.count, "snapshot: \(text)") }
    }
    return nil
  }

  private mutating func perform(_ operation: OwnerOperation) {
    switch operation {
    case .map(let inode, let page, let block, let count):
      for step in 0..<count { unmap(inode, page + step) }
      add(.file(inode: inode, page: page), block, count)
      for step in 0..<count { files[inode, default: [:]][page + step] = block + step }
    case .truncate(let inode, let page, let count):
      for step in 0..<count { unmap(inode, page + step) }
    case .clone(let from, let page, let count, let to, let at):
      let source = files[from] ?? [:]
      for step in 0..<count { unmap(to, at + step) }
      var step: UInt64 = 0
      while step < count {
        guard let block = source[page + step] else {
          step += 1
          continue
        }
        var length: UInt64 = 1
        while step + length < count, source[page + step + length] == block + length { length += 1 }
        add(.file(inode: to, page: at + step), block, length)
        for part in 0..<length { files[to, default: [:]][at + step + part] = block + part }
        step += length
      }
    case .copyOnWrite(let inode, let page, let block):
      guard files[inode]?[page] != nil else { return }
      unmap(inode, page)
      add(.file(inode: inode, page: page), block, 1)
      files[inode]![page] = block
    case .claim(let kind, let block, let count):
      if naive[block]?.contains(.metadata(kind)) == true {
        remove(.metadata(kind), block, count)
      } else {
        add(.metadata(kind), block, count)
      }
    case .compact: index.compact()
    case .snapshot: snapshots.append((index, naive))
    }
  }

  private mutating func unmap(_ inode: UInt64, _ page: UInt64) {
    guard let block = files[inode]?.removeValue(forKey: page) else { return }
    remove(.file(inode: inode, page: page), block, 1)
  }

  private mutating func add(_ owner: BlockOwner, _ block: UInt64, _ count: UInt64) {
    index.add(owner, to: block..<block + count)
    for step in 0..<count { naive[block + step, default: []].insert(Self.advanced(owner, step)) }
  }

  private mutating func remove(_ owner: BlockOwner, _ block: UInt64, _ count: UInt64) {
    index.remove(owner, from: block..<block + count)
    for step in 0..<count { naive[block + step]?.remove(Self.advanced(owner, step)) }
  }

  private static func advanced(_ owner: BlockOwner, _ step: UInt64) -> BlockOwner {
    if case .file(let inode, let page) = owner {
      .file(inode: inode, page: page + step)
    } else {
      owner
    }
  }

  private func check() -> String? {
    let low: UInt64 = 8192 - 54
    let high: UInt64 = 8192 + 78
    for block in low..<high {
      let wanted = (naive[block] ?? []).sorted()
      let told = index.owners(of: block)
      if told != wanted { return "block \(block): \(told), not \(wanted)" }
      if index.isShared(block) != (wanted.count > 1) { return "block \(block): isShared" }
      if index.isFree(block) != wanted.isEmpty { return "block \(block): isFree" }
      let first = index.firstOwner(of: block)
      if first?.owner != wanted.first || first?.count ?? 0 != wanted.count {
        return "block \(block): firstOwner is \(String(describing: first))"
      }
      if block % 5 == 0, let text = checkStretch(from: block, limit: high) { return text }
    }
    return checkRuns(low + 7..<high - 3)
  }

  private func checkStretch(from block: UInt64, limit: UInt64) -> String? {
    let shared = naive[block].map { $0.count > 1 } ?? false
    var end = block
    while end < limit, (naive[end].map { $0.count > 1 } ?? false) == shared { end += 1 }
    let told = index.sharedStretch(from: block, limit: limit)
    return told == (shared, end) ? nil : "stretch at \(block): \(told), not \((shared, end))"
  }

  private func checkRuns(_ range: Range<UInt64>) -> String? {
    var covered = range.lowerBound
    var last: OwnerRun?
    for run in index.runs(in: range) {
      if run.blocks.isEmpty || run.blocks.lowerBound < covered {
        return "run \(run) is out of order"
      }
      for block in covered..<run.blocks.lowerBound where !(naive[block] ?? []).isEmpty {
        return "block \(block) is in no run"
      }
      for (step, block) in run.blocks.enumerated() {
        let owners = run.owners.map { Self.advanced($0, UInt64(step)) }
        if owners != (naive[block] ?? []).sorted() { return "run \(run) is wrong at \(block)" }
      }
      if let last, last.blocks.upperBound == run.blocks.lowerBound,
        last.owners.map({ Self.advanced($0, UInt64(last.blocks.count)) }) == run.owners
      {
        return "runs \(last) and \(run) are one"
      }
      covered = run.blocks.upperBound
      last = run
    }
    for block in covered..<range.upperBound where !(naive[block] ?? []).isEmpty {
      return "block \(block) is in no run"
    }
    return nil
  }
}
