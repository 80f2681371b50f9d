public import PmemBase
internal import SystemPackage

extension FileMapping {
  /// A touch: what the fault handler does until the access can be made, or never.
  ///
  /// Huge faults are tried where the window has no table for small ones. A write to an entry that
  /// is there without the right to write goes through the same path again: that is how stores are
  /// noticed (FT-16).
  ///
  /// - Parameters:
  ///   - address: The touched byte.
  ///   - task: Whoever waits if an entry is locked.
  ///
  /// Source: `handle_mm_fault`, `do_wp_page`, mm/memory.c; `dax_iomap_fault`, fs/dax.c (v6.12,
  /// v7.3).
  public func fault(
    process: Int, address: UInt64, write: Bool, task: UInt64 = 0
  ) -> FileFault {
    guard let index = index(of: process, at: address) else { return .unmapped }
    let protection = windows[index].protection
    guard protection.contains(write ? .write : .read) || !write && !protection.isEmpty else {
      return .fatal(.accessError(address))
    }
    let page = windows[index].page(at: address)
    if windows[index].isLost(page) { return .fatal(.memoryError(address)) }
    // A second turn is needed only if an attempt answers that another thread was first.
    for _ in 0..<4 {
      let present = windows[index].entry(for: page)
      if let present, !write || present.isWritable {
        if write { markDirty(index, page) }
        return .present(present)
      }
      let result = handle(index, page, present, write: write, task: task)
      switch result {
      case .noPage(let isMajor):
        guard let entry = windows[index].entry(for: page), !write || entry.isWritable else {
          continue
        }
        return .mapped(entry, isMajor: isMajor)
      case .copied(let source): return .copied(source)
      case .busError, .fallback, .needsSync: return .fatal(.addressError(address))
      case .poisoned: return .fatal(.memoryError(address))
      case .outOfMemory: return .outOfMemory
      case .waits(let page): return .waits(page: page)
      }
    }
    return .fatal(.addressError(address))
  }

  /// One attempt of one size, as the filesystem's `huge_fault` and `fault` make it.
  public func attempt(
    _ size: PageSize, process: Int, address: UInt64, write: Bool, task: UInt64 = 0
  ) -> FaultResult {
    guard let index = index(of: process, at: address) else { return .busError }
    let page = windows[index].page(at: address)
    switch size {
    case .base: return smallFault(index, page, write: write, task: task)
    case .huge: return hugeFault(index, page, write: write, task: task)
    case .giant: return .fallback
    }
  }

  // MARK: Private

  private func handle(
    _ index: Int, _ page: UInt64, _ present: FilePTE?, write: Bool, task: UInt64
  ) -> FaultResult {
    if write, !windows[index].isShared { windows[index].hasAnonymous = true }
    var result = FaultResult.fallback
    if let entry = present {
      if !windows[index].isShared, entry.size == .base { return copy(entry, index, page) }
      if windows[index].isShared, entry.size == .huge {
        result = hugeFault(index, page, write: write, task: task)
      }
      if entry.size == .huge, result == .fallback {
        clear(page..<page + 1, in: index, evenCopies: false)
      }
    } else if !windows[index].tables.contains(windows[index].slot(page)) {
      result = hugeFault(index, page, write: write, task: task)
    }
    if result == .fallback { result = smallFault(index, page, write: write, task: task) }
    guard case .needsSync(let size) = result else { return result }
    do throws(Errno) {
      try file.synchronize(size.span(page))
    } catch {
      return .busError
    }
    return finishSync(index, page, size, task: task)
  }

  private func markDirty(_ index: Int, _ page: UInt64) {
    if windows[index].base[page] != nil {
      windows[index].base[page]!.isDirty = true
    } else {
      windows[index].huge[PageSize.huge.head(page)]?.isDirty = true
    }
  }

  /// Source: `dax_finish_sync_fault`, `dax_insert_pfn_mkwrite`.
  private func finishSync(
    _ index: Int, _ page: UInt64, _ size: PageSize, task: UInt64
  ) -> FaultResult {
    guard let entry = entries[page], entry.size == size, let blocks = entry.blocks else {
      return .noPage(isMajor: false)
    }
    guard !entries.isLocked(page) else {
      _ = entries.lock(page, for: .init(task: task, isExclusive: true))
      return .waits(page: page)
    }
    entries.setDirty(page, true)
    return insert(
      index, page, size, block: blocks.lowerBound, write: true, isMajor: false)
  }
}
