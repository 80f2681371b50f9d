internal import PmemBase

/// 2 MiB slots; touches that follow each other are in one.
struct SlotSet: Sendable {
  private var slots: Set<UInt64> = []
  private var last: UInt64?

  func contains(_ slot: UInt64) -> Bool { slot == last || slots.contains(slot) }

  mutating func insert(_ slot: UInt64) {
    guard slot != last else { return }
    slots.insert(slot)
    last = slot
  }
}

/// One process's mapping of a DAX file: a VMA and its page-table entries.
public struct FileWindow: Sendable {
  public let process: Int
  /// Addresses in the process, bytes.
  public internal(set) var addresses: Range<UInt64>
  /// The file's page at `addresses.lowerBound`.
  public internal(set) var firstPage: UInt64
  /// MAP_SHARED; a private one copies what is written.
  public let isShared: Bool
  /// MAP_SYNC.
  public let isSynchronous: Bool
  public internal(set) var protection: Protection
  /// Whether faults may try 2 MiB: not MADV_NOHUGEPAGE, not PR_SET_THP_DISABLE.
  public internal(set) var allowsHuge: Bool

  /// By the file's page.
  var base = PageMap<FilePTE>()
  /// By the first of 512 pages.
  var huge: [UInt64: FilePTE] = [:]
  /// The file's pages whose private copy failed: there is an entry that says so.
  var lost: Set<UInt64> = []
  /// 2 MiB slots of addresses that have a table for small entries. Emptying one does not free it;
  /// munmap does.
  var tables = SlotSet()
  /// A store was tried that would need a private copy, whatever came of it: fork copies entries then.
  ///
  /// Source: `do_cow_fault` prepares `anon_vma` before it calls the filesystem, mm/memory.c.
  var hasAnonymous = false

  init(
    process: Int, addresses: Range<UInt64>, firstPage: UInt64, isShared: Bool,
    isSynchronous: Bool, protection: Protection, allowsHuge: Bool
  ) {
    self.process = process
    self.addresses = addresses
    self.firstPage = firstPage
    self.isShared = isShared
    self.isSynchronous = isSynchronous
    self.protection = protection
    self.allowsHuge = allowsHuge
  }

  /// Pages of the file.
  public var pages: Range<UInt64> { firstPage..<firstPage + UInt64(addresses.count) >> 12 }

  /// The file's page at an address in the window.
  public func page(at address: UInt64) -> UInt64 {
    firstPage + (address - addresses.lowerBound) >> 12
  }

  /// Where the window shows a page of the file.
  public func address(of page: UInt64) -> UInt64? {
    pages.contains(page) ? addresses.lowerBound + (page - firstPage) << 12 : nil
  }

  /// The page-table entry that maps a page of the file.
  public func entry(for page: UInt64) -> FilePTE? {
    base[page] ?? huge[PageSize.huge.head(page)]
  }

  /// Pages around one that are no private copies, the page itself among them. Cost: the window's small entries, if it has copies.
  public func stretchWithoutCopies(around page: UInt64) -> Range<UInt64> {
    var low = pages.lowerBound
    var high = pages.upperBound
    guard hasAnonymous else { return low..<high }
    for other in copies {
      if other < page { low = max(low, other + 1) }
      if other > page { high = min(high, other) }
    }
    return low..<high
  }

  /// Pages that are private copies.
  public var copies: [UInt64] {
    hasAnonymous ? base.keys.filter { base[$0]!.isCopy } : []
  }

  /// Whether a page of the file is present: pagemap's bit 63.
  public func isPresent(_ page: UInt64) -> Bool { entry(for: page) != nil }

  /// Whether the page's private copy failed here: pagemap calls it swapped out, and a touch is BUS_MCEERR_AR.
  public func isLost(_ page: UInt64) -> Bool { lost.contains(page) }

  /// Pages charged to the resident set for device pages, where the regime charges them.
  public var devicePages: UInt64 {
    UInt64(base.values.count { $0.block != nil }) + 512
      * UInt64(huge.values.count { $0.block != nil })
  }

  /// Whether file pages and addresses have the same place inside 2 MiB (FT-08).
  var hasColour: Bool { firstPage & 511 == addresses.lowerBound >> 12 & 511 }

  /// The slot of addresses that shows a page.
  func slot(_ page: UInt64) -> UInt64 {
    (addresses.lowerBound >> 12 + (page - firstPage)) >> 9
  }
}
