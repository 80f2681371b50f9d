internal import PageModel
internal import PmemBase

/// Entry, owner, folio: what changes together when a file gets or loses blocks.
extension FileMapping {
  /// The entry's owner is noted, its folio built, and what the regime's entries hold is taken.
  ///
  /// Source: `dax_associate_entry`, `dax_folio_init` (v7.3); `dax_associate_entry` (v6.1, v6.12).
  ///
  /// - Returns: false if the pagemap cannot be held; then nothing is noted.
  func associate(_ entry: DaxEntry, at page: UInt64, isShared: Bool) -> Bool {
    if let blocks = entry.blocks {
      let pages = Int(blocks.lowerBound)..<Int(blocks.upperBound)
      guard pagemap.holdEntry(pages, isCopied: isShared) else { return false }
    }
    warn(
      folios.associate(
        entry, inode: file.inode, page: entry.size.head(page), shared: isShared))
    reshape(entry)
    return true
  }

  /// The opposite, when the entry goes or another takes its place.
  ///
  /// Source: `dax_disassociate_entry` (v6.1, v6.12), `dax_folio_put` (v7.3).
  func disassociate(_ entry: DaxEntry, isCopied: Bool, isTruncated: Bool) {
    if let blocks = entry.blocks {
      let pages = Int(blocks.lowerBound)..<Int(blocks.upperBound)
      pagemap.dropEntry(pages, isCopied: isCopied, isTruncated: isTruncated)
    }
    warn(folios.disassociate(entry, inode: file.inode))
    reshape(entry)
  }

  /// Makes the pagemap's folio what the owners' table says it is.
  private func reshape(_ entry: DaxEntry) {
    guard folios.rules.buildsFolios, let block = entry.blocks?.lowerBound else { return }
    let head = folio(of: block)
    let size = folios[block].size
    guard pagemap.size(ofPage: UInt64(head)) != size else { return }
    let wasIdle =
      size == .base ? pagemap.split(head: head) : pagemap.build(head: head, size)
    if !wasIdle { warn([.reshapedInUse(block: UInt64(head))]) }
  }
}
