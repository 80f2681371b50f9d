internal import PmemBase

extension Pagemap {
  /// `get_page`, or gup with FOLL_GET: refcount + 1. The caller knows that the folio is in use.
  public func get(folio: Int) {
    guard descriptors[folio].add(references: 1, mapcount: 0) != nil else {
      overflow(folio, "get")
    }
  }

  /// `put_page`: refcount - 1. To take a reference that belongs to a mapping is an underflow.
  @discardableResult
  public func put(folio: Int) -> Release {
    guard let after = descriptors[folio].subtract(references: 1, mapcount: 0) else {
      underflow(folio, "put")
    }
    return release(folio, isIdle: after.references == 0)
  }

  /// `pin_user_pages`: refcount + 1024 at order 0; refcount + 1 and pincount + 1 for a compound folio.
  ///
  /// Source: `try_grab_folio`, mm/gup.c (v6.12, v7.3).
  public func pin(folio: Int) {
    guard descriptors[folio].add(references: pinReferences(folio), mapcount: 0) != nil else {
      overflow(folio, "pin")
    }
    if isCompound(folio) {
      guard descriptors[folio].addPin() else { overflow(folio, "pin") }
    }
  }

  /// `unpin_user_page`: what `pin` took, in the opposite order.
  @discardableResult
  public func unpin(folio: Int) -> Release {
    if isCompound(folio) {
      guard descriptors[folio].removePin() else { underflow(folio, "unpin") }
    }
    guard
      let after = descriptors[folio].subtract(references: pinReferences(folio), mapcount: 0)
    else { underflow(folio, "unpin") }
    if regime.layout.busy == .pins, type == .fsDax {
      return maybePinned(folio: folio) ? .keeps : .wakes
    }
    return release(folio, isIdle: after.references == 0)
  }

  /// What gup does once it has found the page: takes a reference or a pin, unless the page's life says no.
  ///
  /// Legacy kernels ask for the pagemap, which they let go of before they return; later ones only whether the refcount is
  /// positive.
  ///
  /// Source: `try_grab_folio_fast`, `try_get_folio`, mm/gup.c (v7.3); `get_dev_pagemap` in v6.12.
  public func grab(folio: Int, pinned: Bool) -> Grab {
    if regime.gupAsksPagemap {
      guard reference.get() else { return .dying }
      defer { reference.put() }
      if pinned { pin(folio: folio) } else { get(folio: folio) }
      return .taken
    }
    if idleRefcount > 0 {
      if pinned { pin(folio: folio) } else { get(folio: folio) }
      return .taken
    }
    let references = pinned ? pinReferences(folio) : 1
    guard let isUsed = descriptors[folio].addIfUsed(references: references) else {
      overflow(folio, "grab")
    }
    guard isUsed else { return .unused }
    if pinned, isCompound(folio), !descriptors[folio].addPin() { overflow(folio, "grab") }
    return .taken
  }

  /// What became of gup's wish for a page.
  public enum Grab: Sendable {
    case taken
    /// The refcount is 0: nothing that gup knows maps the page.
    case unused
    /// The pagemap was killed.
    case dying
  }

  /// What giving references back came to.
  public enum Release: Sendable {
    /// Somebody uses the folio still, or nobody is told.
    case keeps
    /// Who sleeps until the folio is idle is woken.
    case wakes
    /// A device-private folio is its driver's again.
    case frees
  }

  // MARK: Private

  /// The last reference above idle is gone, or not.
  ///
  /// `wake_up_var` at a refcount of 1 (v6.12: `__put_devmap_managed_folio_refs`), or at 0 (v7.3:
  /// `free_zone_device_folio`): both are the idle count. Generic pages have no waiters, and theirs never gets to 0.
  private func release(_ folio: Int, isIdle: Bool) -> Release {
    guard isIdle else { return .keeps }
    if regime.entryHold == .folios, type == .fsDax { reference.put() }
    if regime.pagesHoldMemoryMap, life != .live { reference.put() }
    switch type {
    case .generic: return .keeps
    case .fsDax: return .wakes
    case .devicePrivate: return .frees
    }
  }

  private func isCompound(_ folio: Int) -> Bool {
    folioSize != .base || descriptors[folio].shape.size != .base
  }

  private func pinReferences(_ folio: Int) -> UInt32 {
    isCompound(folio) ? 1 : PageDescriptor.pinBias
  }
}
