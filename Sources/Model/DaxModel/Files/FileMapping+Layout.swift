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
  /// - Parameters:
  ///   - maySleep: false for a caller that would sleep with two files locked (BL-05).
  ///   - task: Who is to be woken if the answer is to sleep; nil for a caller that asks again anyway.
  ///
  /// Source: `dax_break_layout`, fs/dax.c (v7.3); `dax_layout_busy_page_range` (v6.1, v6.12);
  /// `dax_zap_mappings_range` (the 2022 proposal).
  public func breakLayouts(maySleep: Bool = true, task: UInt64? = nil) -> LayoutBreak {
    if layout.needsWindows, windows.isEmpty { return .done }
    unmapPages(Self.all)
    for head in entries.heads(in: Self.all) {
      if entries.isLocked(head) {
        // Up to 6.12 the scan looks for the next unlocked entry, and misses a page under a locked
        // one.
        guard layout.waitsForLockedEntries else { continue }
        return .waitsForEntry(page: head)
      }
      zapEntry(head)
      guard let busy = busyBlock(of: entries[head]!) else { continue }
      guard maySleep else { return .restart }
      return sleep(task, block: busy, isInterruptible: true)
    }
    if layout.deletesEntries { for head in entries.heads(in: Self.all) { delete(head) } }
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
  /// free while somebody uses it (BL-09). The proposal's third version waits where it deletes an
  /// entry (BL-10).
  ///
  /// Source: `dax_break_layout_final` (v7.3); `dax_delete_mapping_entry` (the 2022 proposal).
  public func evict(task: UInt64? = nil) -> LayoutBreak {
    if layout.eviction != .doesNotWait {
      for head in entries.heads(in: Self.all) {
        zapEntry(head)
        if let busy = busyBlock(of: entries[head]!) {
          return sleep(
            task, block: busy, isInterruptible: layout.eviction == .waitsInterruptibly)
        }
      }
      if layout.deletesEntries { for head in entries.heads(in: Self.all) { delete(head) } }
    }
    deleteTruncated(Self.all)
    return .done
  }

  /// Lets clean entries go, and all page-table entries: `invalidate_inode_pages2_range`.
  ///
  /// - Returns: Whether every entry went; a dirty one stays, although nothing maps it any more
  ///   (BL-14): EBUSY.
  @discardableResult
  public func invalidate(_ pages: Range<UInt64>) -> Bool {
    // The kernel unmaps last, and takes huge folios apart that are still mapped.
    unmapPages(pages)
    var isClean = true
    for head in entries.heads(in: pages) {
      if entries.isDirty(head) || entries.isToWrite(head) {
        isClean = false
      } else {
        delete(head, isTruncated: false)
      }
    }
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

  private static let all: Range<UInt64> = 0..<UInt64.max >> 12

  private var layout: RefcountRegime.LayoutRules { pagemap.regime.layout }

  private var idleRefcount: UInt32 { pagemap.regime.idleRefcount(.fsDax) }

  private func sleep(_ task: UInt64?, block: UInt64, isInterruptible: Bool) -> LayoutBreak {
    if let task { folios.sleepers.sleep(task, folio: Int(block)) }
    return .waitsForIdle(
      block: block, wakesAt: idleRefcount, isInterruptible: isInterruptible)
  }

  /// The proposal: the first time, what the entry held of its pages is given back.
  private func zapEntry(_ head: UInt64) {
    let hold = pagemap.regime.entryHold
    guard hold == .pages || hold == .folios, !entries.isZapped(head),
      let blocks = entries[head]!.blocks
    else { return }
    entries.setZapped(head)
    guard !entries.isCopied(head) else {
      return warn([.neverHeld(block: blocks.lowerBound)])
    }
    for page in pagemap.zapEntry(Int(blocks.lowerBound)..<Int(blocks.upperBound)) {
      settle(.wakes, folio: page)
    }
  }

  /// The first folio of an entry that somebody uses, in the regime's sense.
  private func busyBlock(of entry: DaxEntry) -> UInt64? {
    guard let blocks = entry.blocks else { return nil }
    switch layout.busy {
    case .unmappedReferences:
      let head = folio(of: blocks.lowerBound)
      let counts = pagemap.counts(folio: head)
      return counts.refcount > counts.mapcount ? UInt64(head) : nil
    case .references: return blocks.first { !pagemap.isIdle(folio: Int($0)) }
    case .pins: return blocks.first { pagemap.maybePinned(folio: Int($0)) }
    }
  }

  private func deleteTruncated(_ pages: Range<UInt64>) {
    for head in entries.heads(in: pages) {
      let entry = entries[head]!
      if !layout.deletesEntries {
        if let busy = busyBlock(of: entry) { warn([.truncatedInUse(block: busy)]) }
      } else if !hasWarnedAtTruncate {
        hasWarnedAtTruncate = true
        warn([.entryAtTruncate(page: head)])
      }
      delete(head)
    }
  }

  /// `dax_delete_mapping_entry`.
  func delete(_ page: UInt64, isTruncated: Bool = true) {
    guard let entry = entries[page], let head = entries.key(of: page) else { return }
    let isCopied = entries.isCopied(head)
    wake(entries.remove(head))
    disassociate(entry, isCopied: isCopied, isTruncated: isTruncated)
  }
}
