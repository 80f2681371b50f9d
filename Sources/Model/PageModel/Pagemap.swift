public import PmemBase
internal import Synchronization

/// The pages of one device (`dev_pagemap`): who uses each folio, and how long the memory map must stay.
///
/// One descriptor for each folio: 4 KiB, or the device's alignment, where the memory map is compound from the
/// start and only heads count (`pgmap->vmemmap_shift`). Every method may be called from any thread; none blocks
/// or allocates. A count that would go below what is there is a bug that has already corrupted a page's life, so it is a
/// precondition failure which names the folio.
public final class Pagemap: Sendable {
  public let type: PagemapType
  /// Size in 4 KiB pages.
  public let pageCount: UInt64
  public let folioSize: PageSize
  /// Whole folios; a rest smaller than a folio is not mapped by anybody.
  public let folioCount: Int
  public let regime: RefcountRegime

  private let idleRefcount: UInt32
  private let descriptors: DescriptorTable
  private let reference: PagemapReference
  /// Folios with a mapcount.
  private let mapped = Atomic<Int>(0)

  /// - Parameters:
  ///   - pageCount: Size of the device, in 4 KiB pages.
  ///   - folioSize: The device's alignment; base pages for fs-dax, which builds larger folios as it maps.
  ///   - storage: At least `bytes(forFolios:)` zeroed bytes; nil takes them from the heap.
  public init(
    type: PagemapType, pageCount: UInt64, folioSize: PageSize, regime: RefcountRegime = .landed,
    storage: (any DescriptorStorage)? = nil
  ) {
    let folios = Int(pageCount / folioSize.pages)
    self.type = type
    self.pageCount = pageCount
    self.folioSize = folioSize
    self.regime = regime
    folioCount = folios
    idleRefcount = regime.idleRefcount(type)
    descriptors = DescriptorTable(
      count: folios,
      storage: storage ?? HeapDescriptorStorage(byteCount: DescriptorTable.bytes(for: folios)))
    reference = PagemapReference(
      creation: Self.creationReferences(type, pageCount: pageCount, folioSize: folioSize))
  }

  /// Bytes of storage for that many folios.
  public static func bytes(forFolios count: Int) -> Int { DescriptorTable.bytes(for: count) }

  // MARK: Page-table entries

  /// One more page-table entry names the folio. Call it before the entry is visible.
  ///
  /// Cost: one atomic add, 5 ns, and another for the folio's first entry.
  /// Source: `insert_page_into_pte_locked`, `insert_pmd` (v7.3).
  public func map(folio: Int) {
    if addEntry(folio) { mapped.add(1, ordering: .relaxed) }
  }

  /// One page-table entry is gone, and no TLB holds it any more.
  ///
  /// Source: `zap_pte_range`, `tlb_finish_mmu` (v7.3): mapcount, flush, then the reference.
  public func unmap(folio: Int) {
    if removeEntry(folio) { mapped.subtract(1, ordering: .relaxed) }
  }

  /// One page-table entry more for each folio.
  public func map(folios: Range<Int>) {
    var first = 0
    for folio in folios where addEntry(folio) { first += 1 }
    if first > 0 { mapped.add(first, ordering: .relaxed) }
  }

  /// One page-table entry less for each folio.
  public func unmap(folios: Range<Int>) {
    var last = 0
    for folio in folios where removeEntry(folio) { last += 1 }
    if last > 0 { mapped.subtract(last, ordering: .relaxed) }
  }

  /// - Returns: whether it is the folio's first.
  @inline(__always)
  private func addEntry(_ folio: Int) -> Bool {
    guard
      let before = descriptors[folio].add(
        references: regime.mappingReferences, mapcount: regime.mappingMapcount)
    else { overflow(folio, "map") }
    return before.mapcount == 0 && regime.mappingMapcount > 0
  }

  /// - Returns: whether it was the folio's last.
  @inline(__always)
  private func removeEntry(_ folio: Int) -> Bool {
    guard
      let after = descriptors[folio].subtract(
        references: regime.mappingReferences, mapcount: regime.mappingMapcount)
    else { underflow(folio, "unmap") }
    return after.mapcount == 0 && regime.mappingMapcount > 0
  }

  // MARK: Other users

  /// `get_page`, or gup with FOLL_GET: refcount + 1.
  public func get(folio: Int) {
    guard descriptors[folio].add(references: 1, mapcount: 0) != nil else {
      overflow(folio, "get")
    }
  }

  /// `put_page`: refcount - 1. To take a reference that belongs to a mapping is an underflow.
  public func put(folio: Int) {
    guard descriptors[folio].subtract(references: 1, mapcount: 0) != nil else {
      underflow(folio, "put")
    }
  }

  /// `pin_user_pages`: refcount + 1024 at order 0; refcount + 1 and pincount + 1 for a compound folio.
  ///
  /// Source: `try_grab_folio`, mm/gup.c (v6.12, v7.3).
  public func pin(folio: Int) {
    guard descriptors[folio].add(references: pinReferences, mapcount: 0) != nil else {
      overflow(folio, "pin")
    }
    if isCompound {
      guard descriptors[folio].addPin() else { overflow(folio, "pin") }
    }
  }

  /// `unpin_user_page`: what `pin` took, in the opposite order.
  public func unpin(folio: Int) {
    if isCompound {
      guard descriptors[folio].removePin() else { underflow(folio, "unpin") }
    }
    guard descriptors[folio].subtract(references: pinReferences, mapcount: 0) != nil else {
      underflow(folio, "unpin")
    }
  }

  // MARK: Looking

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

  /// `folio_maybe_dma_pinned`: 1024 plain references of an order-0 folio look like a pin, as in the kernel.
  public func maybePinned(folio: Int) -> Bool {
    isCompound
      ? descriptors[folio].pincount > 0
      : idleRefcount &+ descriptors[folio].current.references >= PageDescriptor.pinBias
  }

  /// Folios that some page-table entry names; one load, however large the device is.
  ///
  /// Exact when nobody is inside a call that maps or unmaps; until then such calls may not be counted yet.
  public func mappedFolios() -> Int { mapped.load(ordering: .relaxed) }

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

  // MARK: Life

  /// References that keep the memory map (G); from creation one for each folio, dropped in bulk by `kill`.
  public var references: UInt64 { reference.count }

  public var life: PagemapLife { reference.life }

  /// `get_dev_pagemap`: one more reference.
  ///
  /// - Returns: false, and nothing taken, once the pagemap was killed.
  public func getReference() -> Bool { reference.get() }

  /// `put_dev_pagemap`. To put more than was taken is a precondition failure.
  public func putReference() { reference.put() }

  /// Begins the end: no new reference, and the creation references are dropped. A second time changes nothing.
  ///
  /// It waits for nobody: neither mappings nor pins hold a generic or fs-dax memory map.
  ///
  /// Source: `memunmap_pages`, mm/memremap.c (v6.1, v7.3).
  public func kill() { reference.kill() }

  // MARK: Private

  private var isCompound: Bool { folioSize != .base }

  private var pinReferences: UInt32 { isCompound ? 1 : PageDescriptor.pinBias }

  /// Source: `memremap_pages`: `pfn_len >> vmemmap_shift`; fs-dax sets no shift; private pages take theirs one by
  /// one when they are first used (`zone_device_page_init`).
  private static func creationReferences(
    _ type: PagemapType, pageCount: UInt64, folioSize: PageSize
  ) -> UInt64 {
    switch type {
    case .generic: pageCount >> UInt64(folioSize.order)
    case .fsDax: pageCount
    case .devicePrivate: 0
    }
  }

  @inline(never)
  private func underflow(_ folio: Int, _ call: StaticString) -> Never {
    preconditionFailure(
      "\(call) of folio \(folio) gives back what nobody holds; now \(counts(folio: folio))")
  }

  @inline(never)
  private func overflow(_ folio: Int, _ call: StaticString) -> Never {
    preconditionFailure(
      "\(call) of folio \(folio) passes the counter's end; now \(counts(folio: folio))")
  }
}
