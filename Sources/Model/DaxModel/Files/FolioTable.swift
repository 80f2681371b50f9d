public import PageModel
internal import PmemBase

/// The owners that a device's pages name, for all files on it.
///
/// Only entries with a block are noted: empty and zero ones belong to nobody (OW-13). Blocks are in
/// 4 KiB units.
///
/// Source: `dax_associate_entry`, `dax_disassociate_entry` (v6.1, v6.12), `dax_folio_put`,
/// `dax_folio_init` (v7.3).
public final class FolioTable {
  public let rules: AssociationRules
  /// Who sleeps until a folio is idle, by its index in the pagemap.
  public internal(set) var sleepers = IdleWaiters()

  private var owners = PageMap<FolioOwner>()
  private var hugeCount = 0

  public init(_ rules: AssociationRules) { self.rules = rules }

  /// What the folio that holds a block says.
  public subscript(block: UInt64) -> FolioOwner { owners[head(of: block)] ?? .nobody }

  /// The first block of the folio that holds `block`.
  public func head(of block: UInt64) -> UInt64 {
    guard rules.buildsFolios, hugeCount > 0 else { return block }
    let head = PageSize.huge.head(block)
    return owners[head]?.size == .huge ? head : block
  }

  /// Pages and folios that have an owner, a share count or a size.
  public var count: Int { owners.count }

  /// Notes that a file has an entry for a folio.
  ///
  /// - Parameters:
  ///   - page: The entry's first page in the file.
  ///   - shared: Whether the filesystem said that the blocks have several owners.
  public func associate(
    _ entry: DaxEntry, inode: UInt64, page: UInt64, shared: Bool
  ) -> [DaxWarning] {
    guard let blocks = entry.blocks else { return [] }
    if rules.buildsFolios {
      return associateFolio(
        blocks.lowerBound, entry.size, inode: inode, page: page, shared: shared)
    }
    return blocks.flatMap {
      associatePage($0, inode: inode, page: page + ($0 - blocks.lowerBound), shared: shared)
    }
  }

  /// Notes that a file's entry has gone.
  public func disassociate(_ entry: DaxEntry, inode: UInt64) -> [DaxWarning] {
    guard let blocks = entry.blocks else { return [] }
    if rules.buildsFolios { return putFolio(head(of: blocks.lowerBound), inode: inode) }
    return blocks.flatMap { putPage($0, inode: inode) }
  }

  // MARK: Folios

  private func associateFolio(
    _ block: UInt64, _ size: PageSize, inode: UInt64, page: UInt64, shared: Bool
  ) -> [DaxWarning] {
    let head = head(of: block)
    var owner = owners[head] ?? .nobody
    var warnings: [DaxWarning] = []
    if shared, owner.mapping != .none || owner.isShared {
      if owner.mapping != .none {
        owner.mapping = .none
        owner.word = 1
      }
      if owner.size != size { warnings.append(.sizesDiffer(block: block)) }
      owner.word += 1
      owners[head] = owner
      return warnings
    }
    if owner.mapping != .none { warnings.append(.ownedByAnother(block: block)) }
    let first = size.head(block)
    let old = owners[first]
    owners[first] = FolioOwner(mapping: .file(inode), word: page, size: size)
    hugeCount += (size == .huge ? 1 : 0) - (old?.size == .huge ? 1 : 0)
    return warnings
  }

  private func putFolio(_ head: UInt64, inode: UInt64) -> [DaxWarning] {
    guard var owner = owners[head] else { return [] }
    if owner.isShared {
      owner.word -= 1
      if owner.word > 0 {
        owners[head] = owner
        return []
      }
    }
    if owner.size == .huge { hugeCount -= 1 }
    if rules.keepsIndex, owner.size == .base, owner.mapping != .none {
      owners[head] = FolioOwner(mapping: .none, word: owner.word, size: .base)
    } else {
      owners[head] = nil
    }
    return []
  }

  // MARK: Pages

  private func associatePage(
    _ block: UInt64, inode: UInt64, page: UInt64, shared: Bool
  ) -> [DaxWarning] {
    var owner = owners[block] ?? .nobody
    if shared {
      if owner.mapping != .shared {
        if owner.mapping != .none { owner.word = 1 }
        owner.mapping = .shared
      }
      owner.word += 1
      owners[block] = owner
      return []
    }
    owners[block] = FolioOwner(mapping: .file(inode), word: page, size: .base)
    return owner.mapping == .none ? [] : [.ownedByAnother(block: block)]
  }

  private func putPage(_ block: UInt64, inode: UInt64) -> [DaxWarning] {
    guard var owner = owners[block] else { return [] }
    var warnings: [DaxWarning] = []
    if owner.mapping == .shared {
      let keeps = owner.word > (rules.keepsLastShare ? 0 : 1)
      if owner.word > 0 { owner.word -= 1 }
      if keeps {
        owners[block] = owner
        return []
      }
    } else if owner.mapping != .none, owner.mapping != .file(inode) {
      warnings.append(.notTheOwner(block: block))
    }
    owners[block] = nil
    return warnings
  }
}
