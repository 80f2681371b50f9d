public import PmemBase

/// Folios that are built and taken apart while the device is in use: fs-dax since 6.15, and device-private memory.
///
/// A pagemap with a `folioSize` above 4 KiB has static folios, and one descriptor for each: then these only look.
extension Pagemap {
  /// `compound_head`: the index of the folio that holds a page.
  public func folio(ofPage page: UInt64) -> Int {
    guard folioSize == .base else { return Int(page / folioSize.pages) }
    let shape = descriptors[Int(page)].shape
    return shape.isTail ? Int(page & ~(shape.size.pages - 1)) : Int(page)
  }

  /// `folio_order` of the folio that holds a page, as a size.
  public func size(ofPage page: UInt64) -> PageSize {
    folioSize == .base ? descriptors[Int(page)].shape.size : folioSize
  }

  public func flags(ofPage page: UInt64) -> PageFlags {
    let size = size(ofPage: page)
    guard size != .base else { return .reserved }
    return [.reserved, page % size.pages == 0 ? .compoundHead : .compoundTail]
  }

  /// The counts of the page itself: those of its folio if it is the head, none if it is a tail.
  ///
  /// Source: `memmap_init_compound`, `prep_compound_page`: tails have a refcount of 0.
  public func counts(page: UInt64) -> PageCounts {
    flags(ofPage: page).contains(.compoundTail)
      ? PageCounts(refcount: 0, mapcount: 0, pincount: 0, share: 0)
      : counts(folio: folio(ofPage: page))
  }

  /// `prep_compound_page`: makes `size` pages from `head` on one folio. Only who owns the pages may.
  ///
  /// Cost: one atomic write for each page.
  ///
  /// - Returns: false, and nothing changed, if somebody uses one of the pages: a folio changes its order only while
  ///   its refcount is idle.
  @discardableResult
  public func build(head: Int, _ size: PageSize) -> Bool {
    let pages = pages(head, size)
    guard pages.allSatisfy({ isIdle(folio: $0) }) else { return false }
    for page in pages {
      descriptors[page].setShape(FolioShape(size: size, isTail: page != head))
    }
    return true
  }

  /// Takes a folio apart into pages; what is counted stays on its first page.
  ///
  /// Source: `dax_folio_put`, `dax_folio_reset_order`, fs/dax.c (v7.3).
  ///
  /// - Returns: Whether it was idle; the kernel warns if not.
  @discardableResult
  public func split(head: Int) -> Bool {
    for page in pages(head, size(ofPage: UInt64(head))) { descriptors[page].setShape(.single) }
    return isIdle(folio: head)
  }

  /// Takes a folio in use apart: each page gets the references and mapcounts of the page-table entries that name it.
  ///
  /// - Parameter entries: How many page-table entries name a page, all together as many as the folio's mapcount.
  ///
  /// Source: `__split_unmapped_folio`, mm/huge_memory.c (v7.3).
  func split(head: Int, entries: (Int) -> UInt32) {
    let pages = pages(head, size(ofPage: UInt64(head)))
    precondition(
      pages.reduce(0) { $0 + entries($1) } == descriptors[head].current.mapcount,
      "the entries of folio \(head) are not its mapcount")
    split(head: head)
    for page in pages where page != head {
      let count = entries(page)
      guard descriptors[head].subtract(references: count, mapcount: count) != nil else {
        underflow(head, "split")
      }
      guard descriptors[page].add(references: count, mapcount: count) != nil else {
        overflow(page, "split")
      }
    }
  }

  private func pages(_ head: Int, _ size: PageSize) -> Range<Int> {
    precondition(
      folioSize == .base && UInt64(head) % size.pages == 0,
      "no folio of \(size) can begin at page \(head)")
    return head..<head + Int(size.pages)
  }
}
