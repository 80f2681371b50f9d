internal import OwnerIndex
import TestSupport

/// One step of a random test of the index, in words that mean something wherever it stands.
enum OwnerOperation: CustomStringConvertible {
  /// A file gets blocks.
  case map(inode: UInt64, page: UInt64, block: UInt64, count: UInt64)
  /// A file loses pages, and with them whatever blocks they were.
  case truncate(inode: UInt64, page: UInt64, count: UInt64)
  /// A file gets the blocks that another one has.
  case clone(from: UInt64, page: UInt64, count: UInt64, to: UInt64, at: UInt64)
  /// A page moves to a block of its own.
  case copyOnWrite(inode: UInt64, page: UInt64, block: UInt64)
  case claim(kind: BlockOwner.Metadata, block: UInt64, count: UInt64)
  case compact
  case snapshot

  static let blocks: UInt64 = 20_000
  static let inodes: UInt64 = 4
  static let pages: UInt64 = 64

  static func random(using generator: inout SeededGenerator) -> OwnerOperation {
    // Near the border of two chunks, so that most runs cross it.
    let block = UInt64.random(in: 8192 - 48..<8192 + 48, using: &generator)
    let inode = UInt64.random(in: 1...inodes, using: &generator)
    let page = Self.page(using: &generator)
    let count = UInt64.random(in: 1...24, using: &generator)
    switch Int.random(in: 0..<20, using: &generator) {
    case 0..<6: return .map(inode: inode, page: page, block: block, count: count)
    case 6..<11: return .truncate(inode: inode, page: page, count: count)
    case 11..<16:
      return .clone(
        from: inode, page: page, count: count,
        to: UInt64.random(in: 1...inodes, using: &generator),
        at: Self.page(using: &generator))
    case 16..<18: return .copyOnWrite(inode: inode, page: page, block: block)
    case 18:
      return .claim(
        kind: BlockOwner.Metadata.allCases.randomElement(using: &generator)!,
        // Elsewhere in these chunks too: what is counted before the blocks that are looked at.
        block: Bool.random(using: &generator)
          ? block : UInt64.random(in: 6000..<10_000, using: &generator), count: count)
    default: return Bool.random(using: &generator) ? .compact : .snapshot
    }
  }

  /// At a file's beginning, or around the last page that a record has room for.
  private static func page(using generator: inout SeededGenerator) -> UInt64 {
    let first: UInt64 = Int.random(in: 0..<4, using: &generator) > 0 ? 0 : 1 << 41 - 2048 - 32
    return first + UInt64.random(in: 0..<pages, using: &generator)
  }

  var simpler: [OwnerOperation] {
    switch self {
    case .map(let inode, let page, let block, let count) where count > 1:
      [.map(inode: inode, page: page, block: block, count: count / 2)]
    case .truncate(let inode, let page, let count) where count > 1:
      [.truncate(inode: inode, page: page, count: count / 2)]
    case .clone(let from, let page, let count, let to, let at) where count > 1:
      [.clone(from: from, page: page, count: count / 2, to: to, at: at)]
    case .claim(let kind, let block, let count) where count > 1:
      [.claim(kind: kind, block: block, count: count / 2)]
    default: []
    }
  }

  var description: String {
    switch self {
    case .map(let inode, let page, let block, let count):
      "map(inode: \(inode), page: \(page), block: \(block), count: \(count))"
    case .truncate(let inode, let page, let count):
      "truncate(inode: \(inode), page: \(page), count: \(count))"
    case .clone(let from, let page, let count, let to, let at):
      "clone(from: \(from), page: \(page), count: \(count), to: \(to), at: \(at))"
    case .copyOnWrite(let inode, let page, let block):
      "copyOnWrite(inode: \(inode), page: \(page), block: \(block))"
    case .claim(let kind, let block, let count):
      "claim(kind: .\(kind), block: \(block), count: \(count))"
    case .compact: "compact"
    case .snapshot: "snapshot"
    }
  }
}
