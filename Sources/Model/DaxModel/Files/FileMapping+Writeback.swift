internal import PmemBase

extension FileMapping {
  /// What a writeback came to.
  public enum Writeback: Equatable, Sendable {
    case done
    /// A task has the entry at this page: ask again when it is unlocked. What came before is
    /// flushed.
    case waits(page: UInt64)
  }

  /// fsync and msync(MS_SYNC): writes CPU caches back for what was stored since the last time.
  ///
  /// A huge entry is cleaned and flushed as a whole, however little of it was asked for (FT-18).
  /// Every window loses the right to write to it, so that the next store is noticed (FT-17).
  ///
  /// - Parameter waits: Whether the caller waits for the data (WB_SYNC_ALL). Otherwise nothing is
  ///   done (FT-20).
  ///
  /// Source: `dax_writeback_mapping_range`, `dax_writeback_one`, fs/dax.c (v6.12, v7.3).
  public func writeback(_ pages: Range<UInt64>, waits: Bool = true) -> Writeback {
    guard waits else { return .done }
    let heads = entries.heads(in: pages)
    for head in heads where entries.isDirty(head) { entries.setToWrite(head, true) }
    for head in heads where entries.isToWrite(head) {
      if entries.isLocked(head) { return .waits(page: head) }
      // Only 6.1 marks zero pages, and flushes them for nothing.
      guard let entry = entries[head] else { continue }
      let span = entry.size.span(head)
      clean(span)
      if flushesCaches { observe?(.flushed(span)) }
      entries.setToWrite(head, false)
      entries.setDirty(head, false)
    }
    return .done
  }

  /// `pfn_mkclean_range`: write-protects and cleans, in every window.
  private func clean(_ pages: Range<UInt64>) {
    for index in windows.indices {
      let part = pages.clamped(to: windows[index].pages)
      if part.isEmpty { continue }
      // No copy of the window: it would make every change of its page table one of all of it.
      if windows[index].isShared,
        windows[index].huge[pages.lowerBound]?.isWritable == true
          || part.contains(where: { windows[index].base[$0]?.isWritable == true })
      {
        tell(part, in: index, isRemoval: false)
      }
      if windows[index].huge[pages.lowerBound] != nil {
        windows[index].huge[pages.lowerBound]!.isWritable = false
        windows[index].huge[pages.lowerBound]!.isDirty = false
        traceCleaning(pages.lowerBound)
      }
      for page in part where windows[index].base[page]?.block != nil {
        windows[index].base[page]!.isWritable = false
        windows[index].base[page]!.isDirty = false
        traceCleaning(page)
      }
    }
  }

  private func traceCleaning(_ page: UInt64) {
    if let trace { ZapSequence(cleaning: page).forEach(trace) }
  }
}
