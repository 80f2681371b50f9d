public import PmemBase

/// The memory of a device that the CPU cannot address (MEMORY_DEVICE_PRIVATE): free pages, folios in use, their ends.
///
/// Not thread-safe.
///
/// Source: `zone_device_page_init`, `free_zone_device_folio`, mm/memremap.c; `lib/test_hmm.c` (v7.3).
public final class DevicePrivateMemory {
  public weak var driver: (any DevicePrivateDriver)?
  let pool: FolioPool
  private var mappings: [Int: UInt64] = [:]

  /// - Parameter pages: Size, 4 KiB units.
  public init(pages: UInt64, regime: RefcountRegime = .landed) {
    pool = FolioPool(
      Pagemap(type: .devicePrivate, pageCount: pages, folioSize: .base, regime: regime))
  }

  public var pagemap: Pagemap { pool.pagemap }

  /// What is stored in a page.
  public func contents(ofPage page: Int) -> UInt64 { pool.contents[page] ?? 0 }

  /// The process whose anonymous memory the folio is; nil for NULL.
  public func mapping(ofPage page: Int) -> UInt64? {
    mappings[pagemap.folio(ofPage: UInt64(page))]
  }

  /// A free folio, made ready: refcount 1, and a pagemap reference for each page.
  ///
  /// - Returns: nil if there is no room for one so large, or the pagemap was killed, or the kernel knows no large
  ///   device-private folios.
  public func allocate(_ size: PageSize) -> Int? {
    guard size == .base || pagemap.regime.hasLargePrivateFolios else { return nil }
    guard takesReferences ? pagemap.getReference(size.pages) : pagemap.life == .live else {
      return nil
    }
    guard let head = pool.take(size) else {
      if takesReferences { pagemap.putReference(size.pages) }
      return nil
    }
    return head
  }

  /// `folio_put`. The last one ends the folio: it is nobody's, then the driver is told, then the pagemap's references go.
  public func put(_ page: Int) {
    let head = pagemap.folio(ofPage: UInt64(page))
    guard pagemap.put(folio: head) == .frees else { return }
    free(head)
  }

  /// Takes a reference, as whoever wants to keep the folio where it is.
  public func get(_ page: Int) { pagemap.get(folio: pagemap.folio(ofPage: UInt64(page))) }

  func setMapping(_ head: Int, _ process: UInt64) { mappings[head] = process }

  func free(_ head: Int) {
    let size = pagemap.size(ofPage: UInt64(head))
    mappings[head] = nil
    driver?.folioFree(head: head, size: size)
    pool.giveBack(head)
    if takesReferences { pagemap.putReference(size.pages) }
  }

  /// A folio has become single pages; each is whose it was.
  func didSplit(_ head: Int) {
    let tails = head + 1..<head + Int(PageSize.huge.pages)
    for tail in tails {
      mappings[tail] = mappings[head]
      driver?.folioSplit(head: head, tail: tail)
    }
    driver?.folioSplit(head: head, tail: nil)
  }

  /// Up to 5.17 creation has taken them for all pages.
  private var takesReferences: Bool { !pagemap.regime.pagesHoldMemoryMap }
}
