internal import PageModel
internal import PmemBase
internal import SystemPackage

extension FileMapping {
  /// Source: `dax_iomap_pte_fault`, fs/dax.c.
  func smallFault(_ index: Int, _ page: UInt64, write: Bool, task: UInt64) -> FaultResult {
    guard page < sizeInPages else { return .busError }
    let head = PageSize.huge.head(page)
    return locked(page, .base, task: task) { entry in
      // Another thread put a huge entry there while this one waited (FT-26).
      if windows[index].huge[head] != nil, windows[index].base[page] == nil {
        return .noPage(isMajor: false)
      }
      return mapping(page..<page + 1, write: write && windows[index].isShared) { iomap in
        decide(index, page, .base, entry, iomap, write: write)
      }
    }
  }

  /// Falls back unless everything fits: colour, window, file size, entries, one extent, alignment
  /// on the device.
  ///
  /// Source: `dax_fault_check_fallback`, `dax_iomap_pmd_fault`, fs/dax.c.
  func hugeFault(_ index: Int, _ page: UInt64, write: Bool, task: UInt64) -> FaultResult {
    let pages = PageSize.huge.span(page)
    // No copy of the window: it would make every change of its page table one of all of it.
    guard windows[index].allowsHuge else { return .fallback }
    guard pages.lowerBound < sizeInPages else { return .busError }
    guard windows[index].hasColour, !write || windows[index].isShared,
      windows[index].pages.lowerBound <= pages.lowerBound,
      pages.upperBound <= windows[index].pages.upperBound,
      pages.upperBound <= sizeInPages
    else { return fellBack(page) }
    let result = locked(page, .huge, task: task) { entry in
      if windows[index].tables.contains(windows[index].slot(page)) {
        return .noPage(isMajor: false)
      }
      return mapping(pages, write: write && windows[index].isShared) { iomap in
        guard iomap.pages.lowerBound == pages.lowerBound,
          iomap.pages.upperBound >= pages.upperBound
        else { return .fallback }
        return decide(index, pages.lowerBound, .huge, entry, iomap, write: write)
      }
    }
    return result == .fallback ? fellBack(page) : result
  }

  // MARK: One extent

  /// What to do about a page, given what the filesystem says of it.
  ///
  /// Source: `dax_fault_iter`, fs/dax.c (kernel-semantics 2.5).
  private func decide(
    _ index: Int, _ page: UInt64, _ size: PageSize, _ entry: DaxEntry, _ iomap: Iomap,
    write: Bool
  ) -> FaultResult {
    if write, !windows[index].isShared { return copyPrivately(index, page, iomap) }
    if iomap.kind != .mapped {
      guard !write else { return size == .base ? .busError : .fallback }
      _ = insertEntry(
        page, DaxEntry(.zero, size), over: entry, iomap, write: false, isSync: false)
      return insert(index, page, size, block: nil, write: false, isMajor: false)
    }
    let block = iomap.block(of: page)
    guard file.isReadable(blocks: block..<block + size.pages) else {
      return size == .base ? poisoned : .fallback
    }
    guard size == .base || block & 511 == 0 else { return .fallback }
    let isSync = write && windows[index].isSynchronous && iomap.isDirty
    guard
      insertEntry(
        page, DaxEntry(.block(block), size), over: entry, iomap, write: write, isSync: isSync)
    else { return .busError }
    if write, iomap.isShared, iomap.source != .none {
      do throws(Errno) {
        try file.copy(iomap, pages: page..<page + size.pages)
      } catch {
        return .busError
      }
    }
    if isSync { return .needsSync(size) }
    return insert(index, page, size, block: block, write: write, isMajor: iomap.isNew)
  }

  /// A store to an absent page of a private mapping (FT-14, FT-15). The device's counts do not
  /// move.
  ///
  /// Source: `dax_fault_cow_page`, fs/dax.c.
  private func copyPrivately(_ index: Int, _ page: UInt64, _ iomap: Iomap) -> FaultResult {
    var source = Iomap.Source.zeroes
    if iomap.kind == .mapped {
      let block = iomap.block(of: page)
      guard file.isCopyable(blocks: block..<block + 1) else { return poisoned }
      source = .blocks(from: block)
    }
    windows[index].hasAnonymous = true
    windows[index].tables.insert(windows[index].slot(page))
    show(frames.take(for: page, of: self), index, page)
    return .copied(source)
  }

  /// Notes the page in the file's index, and its owner in the folio.
  ///
  /// Shared blocks are entered anew at every fault, which removes the page from every other process
  /// first (OW-14); 6.1 holds only copy-on-write for shared.
  ///
  /// Source: `dax_insert_entry`, fs/dax.c (v6.1, v6.12, v7.3).
  ///
  /// - Returns: false if the entry could not hold the pagemap (the 2022 proposal).
  private func insertEntry(
    _ page: UInt64, _ new: DaxEntry, over current: DaxEntry, _ iomap: Iomap, write: Bool,
    isSync: Bool
  ) -> Bool {
    let shared = iomap.isShared && new.isReal && (write || kernel.readsShareEntries)
    if shared || current.content == .zero && new.isReal {
      unmapPages(current.size.span(page))
    }
    if shared || !current.isReal {
      if current.isReal {
        disassociate(current, isCopied: entries.isCopied(page), isTruncated: false)
      }
      guard associate(new, at: page, isShared: shared) else { return false }
      entries.replace(page, with: new, isCopied: shared)
    }
    if !isSync, write || kernel.readsDirtyEntries { entries.setDirty(page, true) }
    if write, shared { entries.setToWrite(page, true) }
    return true
  }

  /// Makes the page visible in one window; reference first.
  ///
  /// Where entries are counted the fault holds one of its own meanwhile: the helpers that insert refuse a folio that
  /// nobody uses (RC-24).
  ///
  /// Source: `vmf_insert_page_mkwrite`, `vmf_insert_folio_pmd` (v7.3).
  func insert(
    _ index: Int, _ page: UInt64, _ size: PageSize, block: UInt64?, write: Bool, isMajor: Bool
  ) -> FaultResult {
    let target = block.map(FilePTE.Target.block) ?? .zero
    let counted = pagemap.regime.mappingReferences > 0 ? block.map(folio) : nil
    if let counted { pagemap.get(folio: counted) }
    defer { if let counted { settle(pagemap.put(folio: counted), folio: counted) } }
    if let present = windows[index].entry(for: page) {
      guard present.target == target, present.size == size else { return .busError }
      if write {
        let writable = FilePTE(target, size, isWritable: true, isDirty: true)
        set(index, page, writable)
      }
      return .noPage(isMajor: isMajor)
    }
    if let block { pagemap.map(folio: folio(of: block)) }
    set(index, page, FilePTE(target, size, isWritable: write, isDirty: write))
    return .noPage(isMajor: isMajor)
  }

  // MARK: Private

  private var sizeInPages: UInt64 { (file.size + 4095) >> 12 }

  /// A bad block under a fault: 6.1 says EIO of it, later kernels EHWPOISON (FT-12, FT-13).
  private var poisoned: FaultResult { kernel.faultsTellPoison ? .poisoned : .busError }

  private func fellBack(_ page: UInt64) -> FaultResult {
    observe?(.fellBack(page: page))
    return .fallback
  }

  private func set(_ index: Int, _ page: UInt64, _ entry: FilePTE) {
    switch entry.size {
    case .base:
      windows[index].tables.insert(windows[index].slot(page))
      windows[index].base[page] = entry
    default: windows[index].huge[PageSize.huge.head(page)] = entry
    }
  }

  /// Runs `body` with the entry locked.
  private func locked(
    _ page: UInt64, _ size: PageSize, task: UInt64, _ body: (DaxEntry) -> FaultResult
  ) -> FaultResult {
    switch lockEntry(page, size, task: task).0 {
    case .fallback: return .fallback
    case .waits: return .waits(page: page)
    case .locked(let entry):
      let result = body(entry)
      unlockEntry(page)
      return result
    }
  }

  /// Runs `body` between the filesystem's begin and end.
  private func mapping(
    _ pages: Range<UInt64>, write: Bool, _ body: (Iomap) -> FaultResult
  ) -> FaultResult {
    let iomap: Iomap
    do throws(Errno) {
      iomap = try file.beginMapping(pages, write: write)
    } catch {
      return error == .noMemory ? .outOfMemory : .busError
    }
    let result = body(iomap)
    let succeeded =
      switch result {
      case .noPage, .copied, .needsSync: true
      default: false
      }
    file.endMapping(iomap, write: write, succeeded: succeeded)
    return result
  }
}
