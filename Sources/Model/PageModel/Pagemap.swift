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

  let descriptors: DescriptorTable
  let reference: PagemapReference
  private let idle: UInt32
  /// References, and mapcounts, that a page-table entry holds here.
  private let entryCount: UInt32
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
    idle = regime.idleRefcount(type)
    entryCount = regime.entryCount(type)
    descriptors = DescriptorTable(
      count: folios,
      storage: storage ?? HeapDescriptorStorage(byteCount: DescriptorTable.bytes(for: folios)))
    reference = PagemapReference(
      creation: regime.creationReferences(type, pageCount: pageCount, folioSize: folioSize))
  }

  /// Bytes of storage for that many folios.
  public static func bytes(forFolios count: Int) -> Int { DescriptorTable.bytes(for: count) }

  /// The refcount of a folio that nobody uses. Where each page holds the memory map, the end takes the pages' own.
  var idleRefcount: UInt32 {
    regime.pagesHoldMemoryMap && life != .live ? idle - 1 : idle
  }

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
        references: entryCount, mapcount: entryCount)
    else { overflow(folio, "map") }
    return before.mapcount == 0 && entryCount > 0
  }

  /// - Returns: whether it was the folio's last.
  @inline(__always)
  private func removeEntry(_ folio: Int) -> Bool {
    guard
      let after = descriptors[folio].subtract(
        references: entryCount, mapcount: entryCount)
    else { underflow(folio, "unmap") }
    return after.mapcount == 0 && entryCount > 0
  }

  /// Folios that some page-table entry names; one load, however large the device is.
  ///
  /// Exact when nobody is inside a call that maps or unmaps; until then such calls may not be counted yet.
  public func mappedFolios() -> Int { mapped.load(ordering: .relaxed) }

  /// `folio_remove_rmap_pte` and its kin: a page-table entry's mapcount goes before its reference. A zap that is
  /// watched step by step drops the reference later, with `put`.
  ///
  /// Source: `zap_pte_range`, mm/memory.c.
  public func removeRmap(folio: Int) {
    guard
      let after = descriptors[folio].subtract(references: 0, mapcount: entryCount)
    else { underflow(folio, "removeRmap") }
    if after.mapcount == 0, entryCount > 0 { mapped.subtract(1, ordering: .relaxed) }
  }

  // MARK: Private

  @inline(never)
  func underflow(_ folio: Int, _ call: StaticString) -> Never {
    preconditionFailure(
      "\(call) of folio \(folio) gives back what nobody holds; now \(counts(folio: folio))")
  }

  @inline(never)
  func overflow(_ folio: Int, _ call: StaticString) -> Never {
    preconditionFailure(
      "\(call) of folio \(folio) passes the counter's end; now \(counts(folio: folio))")
  }
}
