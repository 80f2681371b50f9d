internal import PageModel
internal import PmemBase

extension FileMapping {
  /// Makes sure that nobody uses the file's pages, before blocks are taken from it: truncate,
  /// punch, clone.
  ///
  /// XFS and ext4 ask this of the whole file, whatever the change. Page-table entries go in any
  /// case. The landed kernels then delete every entry (BL-06), the legacy ones keep them (BL-07),
  /// and the legacy ones wait for nobody if the file has no window (BL-02).
  ///
  /// - Parameter maySleep: false for a caller that would sleep with two files locked (BL-05).
  ///
  /// Source: `dax_break_layout`, fs/dax.c (v7.3); `dax_layout_busy_page_range` (v6.1, v6.12).
  public func breakLayouts(maySleep: Bool = true) -> LayoutBreak {
    if isLegacy, windows.isEmpty { return .done }
    let all: Range<UInt64> = 0..<UInt64.max >> 12
    unmapPages(all)
    for head in entries.heads(in: all) {
      if entries.isLocked(head) {
        // Up to 6.12 the scan looks for the next unlocked entry, and misses a page under a locked
        // one.
        if isLegacy { continue }
        return .waitsForEntry(page: head)
      }
      guard let busy = busyBlock(of: entries[head]!) else { continue }
      return maySleep
        ? .waitsForIdle(block: busy, wakesAt: idleRefcount, isInterruptible: true) : .restart
    }
    if !isLegacy { for head in entries.heads(in: all) { delete(head) } }
    return .done
  }

  /// Whether a task that sleeps for a folio is woken, given its refcount after a reference was
  /// given back.
  ///
  /// Source: `wake_up_var` at 1 (v6.12), `free_zone_device_folio` at 0 (v7.3).
  public func wakes(refcount: UInt32) -> Bool { refcount == idleRefcount }

  /// Removes what the index and the windows have of the pages from `page` on, private copies too:
  /// `truncate_pagecache`.
  public func truncatePages(from page: UInt64) {
    let pages = page..<UInt64.max >> 12
    unmapPages(pages, evenCopies: true)
    deleteTruncated(pages)
  }

  /// Removes what the index and the windows have of `pages`; private copies stay:
  /// `truncate_pagecache_range`.
  public func punchPages(_ pages: Range<UInt64>) {
    unmapPages(pages)
    deleteTruncated(pages)
  }

  /// The inode goes: it has no name, no descriptor and no window any more.
  ///
  /// The landed kernels wait, and no signal ends that (BL-08). The legacy ones do not: the block is
  /// free while somebody uses it (BL-09).
  ///
  /// Source: `dax_break_layout_final` (v7.3).
  public func evict() -> LayoutBreak {
    let all: Range<UInt64> = 0..<UInt64.max >> 12
    if !isLegacy {
      for head in entries.heads(in: all) {
        if let busy = busyBlock(of: entries[head]!) {
          return .waitsForIdle(block: busy, wakesAt: idleRefcount, isInterruptible: false)
        }
      }
      for head in entries.heads(in: all) { delete(head) }
    }
    deleteTruncated(all)
    return .done
  }

  /// Lets clean entries go, and all page-table entries: `invalidate_inode_pages2_range`.
  ///
  /// - Returns: Whether every entry went; a dirty one stays, although nothing maps it any more
  ///   (BL-14): EBUSY.
  @discardableResult
  public func invalidate(_ pages: Range<UInt64>) -> Bool {
    var isClean = true
    for head in entries.heads(in: pages) {
      if entries.isDirty(head) || entries.isToWrite(head) {
        isClean = false
      } else {
        delete(head)
      }
    }
    unmapPages(pages)
    return isClean
  }

  /// What a write to new blocks does first: nobody may go on using the old ones, or the zero page
  /// (FT-30).
  ///
  /// Source: `dax_iomap_iter`, fs/dax.c: `__dax_clear_dirty_range` for copy-on-write, then
  /// invalidation.
  public func forget(_ pages: Range<UInt64>, evenDirty: Bool) {
    if evenDirty {
      for head in entries.heads(in: pages) {
        entries.setDirty(head, false)
        entries.setToWrite(head, false)
      }
    }
    invalidate(pages)
  }

  // MARK: Private

  private var isLegacy: Bool { kernel != .v7_2 }

  private var idleRefcount: UInt32 { pagemap.regime.idleRefcount(.fsDax) }

  /// The first folio of an entry that somebody outside page tables uses.
  private func busyBlock(of entry: DaxEntry) -> UInt64? {
    guard let blocks = entry.blocks else { return nil }
    if !isLegacy {
      let head = folios.head(of: blocks.lowerBound)
      let counts = pagemap.counts(folio: Int(head))
      return counts.refcount > counts.mapcount ? head : nil
    }
    return blocks.first { !pagemap.isIdle(folio: Int($0)) }
  }

  private func deleteTruncated(_ pages: Range<UInt64>) {
    for head in entries.heads(in: pages) {
      let entry = entries[head]!
      if isLegacy {
        if let busy = busyBlock(of: entry) { warn([.truncatedInUse(block: busy)]) }
      } else if !hasWarnedAtTruncate {
        hasWarnedAtTruncate = true
        warn([.entryAtTruncate(page: head)])
      }
      delete(head)
    }
  }

  /// `dax_delete_mapping_entry`.
  func delete(_ page: UInt64) {
    guard let entry = entries[page], let head = entries.key(of: page) else { return }
    wake(entries.remove(head))
    warn(folios.disassociate(entry, inode: file.inode))
  }
}
