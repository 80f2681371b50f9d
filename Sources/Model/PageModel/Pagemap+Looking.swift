internal import PmemBase

extension Pagemap {
  /// The folio's counts, absolute. Refcount and mapcount are of one moment, the other two of a later one.
  public func counts(folio: Int) -> PageCounts {
    let current = descriptors[folio].current
    return PageCounts(
      refcount: idleRefcount &+ current.references, mapcount: current.mapcount,
      pincount: descriptors[folio].pincount, share: descriptors[folio].share)
  }

  /// Whether nobody uses the folio: its refcount is the idle one.
  public func isIdle(folio: Int) -> Bool {
    descriptors[folio].current.references == 0
  }

  /// PM_MMAP_EXCLUSIVE of /proc/PID/pagemap, of a folio that somebody maps: nobody else does. Where entries are not counted it is
  /// never said.
  ///
  /// Source: `pagemap_pmd_range`, fs/proc/task_mmu.c: mapcount 1 (v6.1, v6.12, v7.3).
  public func isMappedExclusively(folio: Int) -> Bool {
    regime.chargesResidentSet && counts(folio: folio).mapcount == 1
  }

  /// `folio_maybe_dma_pinned`: 1024 plain references of an order-0 folio look like a pin, as in the kernel.
  public func maybePinned(folio: Int) -> Bool {
    folioSize != .base || descriptors[folio].shape.size != .base
      ? descriptors[folio].pincount > 0
      : idleRefcount &+ descriptors[folio].current.references >= PageDescriptor.pinBias
  }

  /// Whether every folio is idle. Scans every descriptor.
  public func isIdle() -> Bool {
    for folio in 0..<folioCount where !isIdle(folio: folio) { return false }
    return true
  }

  /// The first folio with fewer references than mapcounts, which the kernel never allows. Scans every descriptor.
  public func violation() -> CountViolation? {
    for folio in 0..<folioCount {
      let counts = counts(folio: folio)
      if counts.refcount < counts.mapcount { return CountViolation(folio: folio, counts: counts) }
    }
    return nil
  }
}
