internal import PmemBase

/// Private copies: page-table entries for frames of ordinary memory.
extension FileMapping {
  /// A store to a private page that is present: a copy of what is mapped, made by the CPU, unless it is a copy already and nobody
  /// else shows it.
  ///
  /// Source: `do_wp_page`, `wp_can_reuse_anon_folio`, `wp_page_copy`, mm/memory.c (v6.1, v6.12, v7.3).
  func copy(_ entry: FilePTE, _ index: Int, _ page: UInt64) -> FaultResult {
    if case .anonymous(let frame) = entry.target {
      if frames.mapcount(frame) == 1 {
        show(frame, index, page)
      } else {
        let own = frames.take(for: page, of: self, copying: frame)
        zapSmall([page], in: index)
        show(own, index, page)
      }
      return .noPage(isMajor: false)
    }
    var source = Iomap.Source.zeroes
    if let block = entry.block {
      // The copy reads the medium: no list of bad blocks is asked, the machine check is caught.
      guard file.isCopyable(blocks: block..<block + 1) else { return .poisoned }
      source = .blocks(from: block)
    }
    zapSmall([page], in: index)
    show(frames.take(for: page, of: self), index, page)
    return .copied(source)
  }

  /// Enters a frame that has been counted for this window.
  func show(_ frame: UInt64, _ index: Int, _ page: UInt64) {
    windows[index].base[page] = FilePTE(
      .anonymous(frame), .base, isWritable: true, isDirty: true)
  }

  /// The frame failed: every entry for it becomes one that says so, whose touch is BUS_MCEERR_AR.
  ///
  /// Source: `try_to_unmap_one` (`make_hwpoison_entry`), mm/rmap.c; `do_swap_page`, mm/memory.c (v6.1, v6.12, v7.3).
  public func lose(_ frame: UInt64, at page: UInt64) {
    for index in windows.indices where windows[index].base[page]?.target == .anonymous(frame) {
      zapSmall([page], in: index)
      windows[index].lost.insert(page)
    }
  }

  /// The frame is taken out of use: everybody who showed it shows another one, with the same bytes and rights.
  ///
  /// Source: `soft_offline_in_use_page`, mm/memory-failure.c; `migrate_folio`, mm/migrate.c (v6.1, v6.12, v7.3).
  public func migrate(_ frame: UInt64, at page: UInt64) {
    let new = frames.take(for: page, of: self, copying: frame)
    for index in windows.indices {
      guard let old = windows[index].base[page], old.target == .anonymous(frame) else { continue }
      frames.map(new)
      zapSmall([page], in: index)
      windows[index].base[page] = FilePTE(
        .anonymous(new), .base, isWritable: old.isWritable, isDirty: old.isDirty)
    }
    frames.unmap(new)
  }

  /// mremap: page-table entries of a process go along to new addresses. A huge one does only if it lies in the range and the
  /// distance is of whole 2 MiB; otherwise it is gone, and comes back by a fault.
  ///
  /// - Parameters:
  ///   - addresses: Whole pages of one window.
  ///   - new: At least as long; no window of the process has it. What is longer shows the file's next pages.
  ///
  /// Source: `move_page_tables`, mm/mremap.c (v6.1, v6.12, v7.3).
  public func move(process: Int, addresses: Range<UInt64>, to new: Range<UInt64>) {
    separate(process: process, addresses: addresses)
    guard let index = index(of: process, at: addresses.lowerBound) else { return }
    if (addresses.lowerBound ^ new.lowerBound) & (PageSize.huge.bytes - 1) != 0 {
      for head in windows[index].huge.keys { zapHuge(head, isCut: true, in: index) }
    }
    var window = windows[index]
    remove([index])
    window.addresses = new
    window.tables = SlotSet()
    for page in window.base.keys { window.tables.insert(window.slot(page)) }
    append(window)
  }
}
