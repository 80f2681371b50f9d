public import PageModel
internal import PmemBase
internal import SystemPackage

extension FileMapping {
  /// gup of one page: faults it in, then takes a reference or a pin on its folio.
  ///
  /// - Parameters:
  ///   - address: Any byte of the page.
  ///   - task: Who waits if the fault meets a locked entry.
  ///
  /// Source: `__get_user_pages`, `follow_page_pte`, `faultin_page`, mm/gup.c (v6.12, v7.3).
  public func gup(
    process: Int, address: UInt64, _ request: GupRequest, task: UInt64 = 0
  ) -> FileGup {
    guard window(of: process, at: address) != nil else { return .refused(.badAddress) }
    do throws(Errno) {
      try request.check(isFsDax: true)
    } catch {
      return .refused(error)
    }
    switch fault(process: process, address: address, write: request.isWrite, task: task) {
    case .waits(let page): return .waits(page: page)
    case .copied: return .ordinary
    case .fatal, .unmapped: return .refused(.badAddress)
    case .outOfMemory: return .refused(.noMemory)
    case .present(let entry), .mapped(let entry, _):
      guard let first = entry.block else { return .ordinary }
      let window = window(of: process, at: address)!
      let page = window.page(at: address)
      let folio = folio(of: first + (page & (entry.size.pages - 1)))
      switch pagemap.grab(folio: folio, pinned: request.isPin) {
      case .taken: return .taken(FolioUse(folio: folio, isPin: request.isPin))
      case .dying: return .refused(.badAddress)
      case .unused: return .refused(.noMemory)
      }
    }
  }

  /// `put_page` or `unpin_user_page`: gives back what gup took, and wakes who slept until then.
  ///
  /// It is the folio's, and may be given back through any file's mapping on the device.
  ///
  /// - Parameter isDirty: Whether a device has stored through it (`unpin_user_pages_dirty_lock`). That is told to the
  ///   page, which for DAX notes nothing: the next fsync does not flush it (ZO-07).
  ///
  /// Source: `gup_put_folio`, mm/gup.c; `noop_dirty_folio`, `xfs_dax_aops`, `ext4_dax_aops` (v6.1 to v7.3).
  @discardableResult
  public func release(_ use: FolioUse, isDirty: Bool = false) -> Pagemap.Release {
    if isDirty { observe?(.dirtIgnored(block: UInt64(use.folio))) }
    let release =
      use.isPin ? pagemap.unpin(folio: use.folio) : pagemap.put(folio: use.folio)
    settle(release, folio: use.folio)
    return release
  }

  /// A signal for a task that sleeps until a folio is idle.
  ///
  /// - Returns: Whether it slept; if its sleep may be interrupted, its call ends with EINTR.
  public func interrupt(_ task: UInt64) -> Bool { folios.sleepers.interrupt(task) }
}
