public import PmemBase

/// The ordinary memory of one process, whose pages may be on a device: windows, and page-table entries that are present
/// or name a device-private page.
///
/// Only what migration needs: no swap, no fork, no write protection. Not thread-safe. Pages are addresses in 4 KiB units.
public final class ProcessMemory {
  /// What kind of mapping a window is.
  public enum Kind: Sendable {
    case anonymous
    /// The page cache of a file that is not DAX.
    case file
    case dax
    case hugetlb
    /// VM_SPECIAL: memory of a driver.
    case special
  }

  public enum Place: Sendable {
    case system
    case device
  }

  /// A page-table entry. It counts in the resident set and on its folio wherever the page is.
  public struct Entry: Hashable, Sendable {
    public let place: Place
    /// The first page it names, in its memory.
    public let page: Int
    /// `.base` or `.huge`.
    public let size: PageSize
    /// A migration entry: touches wait.
    public internal(set) var isMigrating = false
  }

  /// What a touch came to.
  public enum Touch: Equatable, Sendable {
    case present(Entry)
    /// The page was on the device and is back.
    case migrated(Entry)
    /// SIGBUS, BUS_ADRERR.
    case busError
    /// The page is on its way.
    case waits
    case outOfMemory
    /// No window with ordinary memory here.
    case unmapped
  }

  public let process: UInt64
  public let system: FolioPool
  public let device: DevicePrivateMemory
  private var windows: [(pages: Range<UInt64>, kind: Kind)] = []
  var base: [UInt64: Entry] = [:]
  var huge: [UInt64: Entry] = [:]

  public init(process: UInt64, system: FolioPool, device: DevicePrivateMemory) {
    self.process = process
    self.system = system
    self.device = device
  }

  /// mmap.
  public func map(_ pages: Range<UInt64>, _ kind: Kind) { windows.append((pages, kind)) }

  public func kind(at page: UInt64) -> Kind? {
    windows.last { $0.pages.contains(page) }?.kind
  }

  public func entry(at page: UInt64) -> Entry? { base[page] ?? huge[Self.head(page)] }

  /// Pages of the resident set, those on the device too.
  public var residentPages: Int { base.count + huge.count * Int(PageSize.huge.pages) }

  /// Small entries that name device pages.
  public var smallDeviceEntries: Int { base.values.count { $0.place == .device } }

  // MARK: Touching

  /// A load or a store by the CPU. A touch of a page on the device brings it back; other pages are allocated.
  ///
  /// Source: `do_swap_page`, mm/memory.c; `do_huge_pmd_device_private`, mm/huge_memory.c (v7.3).
  public func touch(_ page: UInt64) -> Touch {
    guard let kind = kind(at: page), kind == .anonymous || kind == .file else {
      return .unmapped
    }
    guard let entry = entry(at: page) else { return allocate(page, kind) }
    if entry.isMigrating { return .waits }
    guard entry.place == .device else { return .present(entry) }
    let devicePage = entry.page + Int(page & (entry.size.pages - 1))
    device.get(devicePage)
    let isBack = device.driver?.migrateToRAM(self, page: page, devicePage: devicePage) ?? false
    device.put(devicePage)
    guard isBack else { return .busError }
    guard let now = self.entry(at: page), now.place == .system else { return .waits }
    return .migrated(now)
  }

  /// Stores a value in a page.
  public func store(_ page: UInt64, _ value: UInt64) -> Touch {
    let touch = touch(page)
    switch touch {
    case .present(let entry), .migrated(let entry):
      system.contents[entry.page + Int(page & (entry.size.pages - 1))] = value
    default: break
    }
    return touch
  }

  /// Loads from a page; nil if the touch is fatal or waits.
  public func load(_ page: UInt64) -> UInt64? {
    switch touch(page) {
    case .present(let entry), .migrated(let entry):
      system.contents[entry.page + Int(page & (entry.size.pages - 1))] ?? 0
    default: nil
    }
  }

  // MARK: Going

  /// munmap of whole pages. A huge entry that is cut becomes 512 small ones first.
  public func unmap(_ pages: Range<UInt64>) {
    for head in Array(huge.keys) {
      let span = head..<head + PageSize.huge.pages
      guard pages.overlaps(span) else { continue }
      if pages.lowerBound <= head, span.upperBound <= pages.upperBound {
        release(huge.removeValue(forKey: head)!)
      } else {
        splitEntry(head)
      }
    }
    for page in pages {
      if let entry = base.removeValue(forKey: page) { release(entry) }
    }
    windows = windows.flatMap { window in
      let parts = [
        window.pages.lowerBound..<max(window.pages.lowerBound, pages.lowerBound),
        min(window.pages.upperBound, pages.upperBound)..<window.pages.upperBound,
      ]
      return window.pages.overlaps(pages)
        ? parts.filter { !$0.isEmpty }.map { ($0, window.kind) } : [window]
    }
  }

  /// Takes a huge entry apart: 512 entries of the same folio, 511 references and mapcounts more.
  ///
  /// Source: `__split_huge_pmd_locked`, mm/huge_memory.c (v7.3).
  func splitEntry(_ head: UInt64) {
    let entry = huge.removeValue(forKey: head)!
    let pagemap = pool(entry.place).pagemap
    for offset in 0..<Int(PageSize.huge.pages) {
      base[head + UInt64(offset)] = Entry(
        place: entry.place, page: entry.page + offset, size: .base,
        isMigrating: entry.isMigrating)
      if offset > 0 { pagemap.map(folio: entry.page) }
    }
  }

  /// Takes a folio apart that only small entries name; what none names is free then.
  ///
  /// - Parameter held: A page of it on which the caller has a reference, which stays with the page.
  /// - Returns: false, and nothing changed, if somebody else has a reference.
  ///
  /// Source: `split_folio`, mm/huge_memory.c; `migrate_vma_split_folio`, mm/migrate_device.c (v7.3).
  func splitFolio(_ place: Place, _ head: Int, held: Int?) -> Bool {
    let pagemap = pool(place).pagemap
    let counts = pagemap.counts(folio: head)
    guard extra(counts, in: pagemap) == (held == nil ? 0 : 1) else { return false }
    let pages = head..<head + Int(PageSize.huge.pages)
    let named = Set(
      base.values.lazy.filter { $0.place == place && pages.contains($0.page) }.map(\.page))
    pagemap.split(head: head) { named.contains($0) ? 1 : 0 }
    if let held, held != head {
      pagemap.get(folio: held)
      pagemap.put(folio: head)
    }
    if place == .device { device.didSplit(head) }
    for page in pages where !named.contains(page) && page != held { free(place, page) }
    return true
  }

  // MARK: Private

  static func head(_ page: UInt64) -> UInt64 { page & ~(PageSize.huge.pages - 1) }

  func pool(_ place: Place) -> FolioPool { place == .system ? system : device.pool }

  /// References that no page-table entry holds.
  func extra(_ counts: PageCounts, in pagemap: Pagemap) -> UInt32 {
    counts.refcount - pagemap.regime.idleRefcount(pagemap.type) - counts.mapcount
  }

  /// Gives back what an entry held.
  func release(_ entry: Entry) {
    let pagemap = pool(entry.place).pagemap
    let head = pagemap.folio(ofPage: UInt64(entry.page))
    pagemap.removeRmap(folio: head)
    if pagemap.put(folio: head) == .frees { free(entry.place, head) }
  }

  private func free(_ place: Place, _ head: Int) {
    if place == .device { device.free(head) } else { system.giveBack(head) }
  }

  /// Anonymous memory is huge where 2 MiB of the window are untouched and there is room.
  private func allocate(_ page: UInt64, _ kind: Kind) -> Touch {
    let head = Self.head(page)
    let span = head..<head + PageSize.huge.pages
    let fits = windows.contains {
      $0.kind == .anonymous && $0.pages.lowerBound <= span.lowerBound
        && span.upperBound <= $0.pages.upperBound
    }
    let size: PageSize = fits && !span.contains { base[$0] != nil } ? .huge : .base
    for size in size == .huge ? [.huge, .base] : [PageSize.base] {
      guard let first = system.take(size) else { continue }
      let entry = Entry(place: .system, page: first, size: size)
      system.pagemap.map(folio: first)
      system.pagemap.put(folio: first)
      if size == .huge { huge[head] = entry } else { base[page] = entry }
      return .present(entry)
    }
    return .outOfMemory
  }
}
