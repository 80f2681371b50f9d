import DaxModel
import SystemPackage

/// A file whose blocks are what the test says.
final class FakeFile: DaxFile {
  struct Block {
    var number: UInt64
    var isUnwritten = false
  }

  let inode: UInt64
  var size: UInt64
  /// By page; what is not here is a hole.
  var blocks: [UInt64: Block] = [:]
  /// Blocks that some other file has too.
  var shared: Set<UInt64> = []
  var bad: Set<UInt64> = []
  /// Where the next block is allocated, one at a time.
  var nextBlock: UInt64 = 2048
  /// IOMAP_F_DIRTY
  var isDirty = false
  var syncFails = false
  private(set) var syncs = 0
  private(set) var copies: [Iomap.Source] = []

  init(_ inode: UInt64, pages: UInt64) {
    self.inode = inode
    size = pages * 4096
  }

  /// Gives the file `count` blocks in a row.
  func map(_ page: UInt64, to block: UInt64, _ count: UInt64 = 1) {
    for step in 0..<count { blocks[page + step] = Block(number: block + step) }
  }

  func beginMapping(_ pages: Range<UInt64>, write: Bool) throws(Errno) -> Iomap {
    let first = pages.lowerBound
    guard let block = blocks[first], !(write && block.isUnwritten) else {
      guard write else {
        let end = pages.first { blocks[$0].map { !$0.isUnwritten } ?? false } ?? pages.upperBound
        return Iomap(.hole, pages: first..<end)
      }
      map(first, to: nextBlock)
      nextBlock += 1
      return Iomap(
        .mapped, pages: first..<first + 1, block: nextBlock - 1, isNew: true, isDirty: isDirty)
    }
    if block.isUnwritten { return Iomap(.unwritten, pages: first..<first + 1) }
    let isShared = shared.contains(block.number)
    var end = first + 1
    while end < pages.upperBound, let next = blocks[end],
      next.number == block.number + (end - first), shared.contains(next.number) == isShared
    { end += 1 }
    if write, isShared {
      nextBlock += 1
      return Iomap(
        .mapped, pages: first..<first + 1, block: nextBlock - 1, isShared: true,
        source: .blocks(from: block.number))
    }
    return Iomap(
      .mapped, pages: first..<end, block: block.number, isShared: isShared, isDirty: isDirty)
  }

  func endMapping(_ iomap: Iomap, write: Bool, succeeded: Bool) {
    guard write, iomap.isShared, succeeded else { return }
    map(iomap.pages.lowerBound, to: iomap.block)
  }

  func copy(_ iomap: Iomap, pages: Range<UInt64>) throws(Errno) {
    if case .blocks(let first) = iomap.source, bad.contains(first) { throw .ioError }
    copies.append(iomap.source)
  }

  func isReadable(blocks: Range<UInt64>) -> Bool { bad.isDisjoint(with: blocks) }

  func synchronize(_ pages: Range<UInt64>) throws(Errno) {
    syncs += 1
    if syncFails { throw .ioError }
    isDirty = false
  }
}
