public import PageModel
public import PmemBase

/// A DAX file as memory management sees it (`struct address_space`): its entries, and the windows
/// that map it.
///
/// Every method is one step of the kernel's, done at once; none blocks. Where the kernel would
/// sleep the answer says so, and the caller asks again. Not thread-safe. Pages are the file's,
/// blocks the device's, in 4 KiB units.
///
/// Source: fs/dax.c (v6.1, v6.12, v7.3); where they differ, `kernel` decides.
public final class FileMapping {
  public let file: any DaxFile
  public let kernel: KernelBehavior
  /// The device's pages; a block is an index into it.
  public let pagemap: Pagemap
  public let folios: FolioTable
  /// Where private copies are; shared by all files of a machine.
  public let frames: AnonymousFrames
  public internal(set) var entries = EntryTable()
  public internal(set) var windows: [FileWindow] = []
  /// Where in `windows` those of a process are, in the order of their addresses.
  private var places: [Int: [Int]] = [:]
  /// Windows that were looked at: what the growth of a call is measured by.
  public private(set) var visits = 0

  /// Whether the device asks for cache flushes: sysfs `write_cache` (FT-19).
  public var flushesCaches = true
  /// Told of what happens; nil tells nobody.
  public var observe: ((FileEvent) -> Void)?
  /// Told of every step of taking page-table entries away or cleaning them; pages are the file's.
  public var trace: ((ZapStep) -> Void)?

  /// Told of every page-table entry that goes, or loses the right to write, by something else than its process's touch; whoever keeps
  /// real page tables does the same there.
  public var changesPageTables: ((PageTableChange) -> Void)?

  var hasWarnedAtTruncate = false

  /// - Parameters:
  ///   - pagemap: Of type `fsDax`, with small folios and `kernel`'s regime.
  ///   - folios: Of the same device, shared by all files on it.
  public init(
    file: any DaxFile, kernel: KernelBehavior, pagemap: Pagemap, folios: FolioTable,
    frames: AnonymousFrames = AnonymousFrames()
  ) {
    self.file = file
    self.kernel = kernel
    self.pagemap = pagemap
    self.folios = folios
    self.frames = frames
  }

  // MARK: Looking

  /// Where a page of the file is mapped and present, in the order of the windows.
  public func mappers(
    of page: UInt64
  ) -> [(process: Int, address: UInt64, entry: FilePTE)] {
    windows.compactMap { window in
      guard let address = window.address(of: page), let entry = window.entry(for: page) else {
        return nil
      }
      return (window.process, address, entry)
    }
  }

  /// The window of a process at an address.
  public func window(of process: Int, at address: UInt64) -> FileWindow? {
    index(of: process, at: address).map { windows[$0] }
  }

  /// The page-table entry of a process at an address.
  public func entry(of process: Int, at address: UInt64) -> FilePTE? {
    window(of: process, at: address).flatMap { $0.entry(for: $0.page(at: address)) }
  }

  // MARK: Windows

  /// Enters a window that a process has mapped; every page of it is absent.
  ///
  /// - Parameters:
  ///   - addresses: Whole pages that no window of the process has.
  ///   - firstPage: The file's page that `addresses` begins with.
  /// - isSynchronous: MAP_SYNC; it counts only with MAP_SHARED_VALIDATE, which the caller has
  ///     judged (FT-23).
  ///   - allowsHuge: Whether faults may try 2 MiB.
  public func map(
    process: Int, addresses: Range<UInt64>, firstPage: UInt64, protection: Protection,
    isShared: Bool = true, isSynchronous: Bool = false, allowsHuge: Bool = true
  ) {
    precondition(
      PageSize.base.isAligned(addresses.lowerBound)
        && PageSize.base.isAligned(addresses.upperBound),
      "a window begins and ends at a page, not \(addresses)")
    precondition(
      !overlapsWindow(of: process, addresses),
      "process \(process) has a window in \(addresses) already")
    append(
      FileWindow(
        process: process, addresses: addresses, firstPage: firstPage, isShared: isShared,
        isSynchronous: isSynchronous, protection: protection.known, allowsHuge: allowsHuge))
  }

  /// munmap: the windows of a process in `addresses` go, and tables with them.
  public func unmap(process: Int, addresses: Range<UInt64>) {
    split(process, at: addresses)
    let gone = indices(of: process).filter { addresses.contains(windows[$0].addresses.lowerBound) }
    for index in gone.reversed() {
      clear(windows[index].pages, in: index, evenCopies: true)
    }
    remove(gone)
  }

  /// exit or exec: every window of the process goes.
  public func unmapAll(process: Int) {
    let gone = indices(of: process)
    for index in gone.reversed() {
      clear(windows[index].pages, in: index, evenCopies: true)
    }
    remove(gone)
  }

  /// MADV_DONTNEED: page-table entries go, those of private copies and of lost ones too; windows stay.
  public func zap(process: Int, addresses: Range<UInt64>) {
    for index in indices(of: process) {
      let part = addresses.clamped(to: windows[index].addresses)
      if part.isEmpty { continue }
      let first = windows[index].page(at: part.lowerBound)
      let last = windows[index].page(at: part.upperBound - 1)
      clear(first..<last + 1, in: index, evenCopies: true)
    }
  }

  /// mprotect. Entries lose the right to write with it, and get it back by a fault.
  public func protect(process: Int, addresses: Range<UInt64>, _ protection: Protection) {
    split(process, at: addresses)
    for index in indices(of: process)
    where addresses.contains(windows[index].addresses.lowerBound) {
      windows[index].protection = protection.known
      guard !protection.contains(.write) else { continue }
      tell(windows[index].pages, in: index, isRemoval: false)
      windows[index].base = windows[index].base.mapValues(Self.writeProtected)
      windows[index].huge = windows[index].huge.mapValues(Self.writeProtected)
    }
  }

  /// MADV_HUGEPAGE and MADV_NOHUGEPAGE.
  public func setAllowsHuge(process: Int, addresses: Range<UInt64>, _ value: Bool) {
    split(process, at: addresses)
    for index in indices(of: process)
    where addresses.contains(windows[index].addresses.lowerBound) {
      windows[index].allowsHuge = value
    }
  }

  /// What advice that is kept in the window itself does first, such as MADV_DONTFORK: a part of a window becomes one.
  public func separate(process: Int, addresses: Range<UInt64>) { split(process, at: addresses) }

  /// fork: the child gets every window. Page-table entries are copied only where the parent
  /// tried to make private copies, which the two then share until one writes (RC-27).
  ///
  /// Source: `vma_needs_copy`, `copy_present_ptes`, mm/memory.c (v6.12, v7.3).
  public func fork(process: Int, child: Int) {
    for index in indices(of: process) {
      let parent = windows[index]
      var copy = FileWindow(
        process: child, addresses: parent.addresses, firstPage: parent.firstPage,
        isShared: parent.isShared, isSynchronous: parent.isSynchronous,
        protection: parent.protection, allowsHuge: parent.allowsHuge)
      copy.hasAnonymous = parent.hasAnonymous
      if parent.hasAnonymous {
        copy.tables = parent.tables
        copy.lost = parent.lost
        copy.base = parent.base.mapValues(Self.writeProtected)
        windows[index].base = copy.base
        for entry in copy.base.values {
          switch entry.target {
          case .block(let block): pagemap.map(folio: folio(of: block))
          case .anonymous(let frame): frames.map(frame)
          case .zero: break
          }
        }
      }
      append(copy)
    }
  }

  /// Removes the page-table entries of `pages` from every window: `unmap_mapping_pages`.
  ///
  /// A huge entry that has one of the pages goes as a whole.
  ///
  /// - Parameter evenCopies: Private copies too, and what is left of lost ones, as truncate does.
  public func unmapPages(_ pages: Range<UInt64>, evenCopies: Bool = false) {
    for index in windows.indices { clear(pages, in: index, evenCopies: evenCopies) }
    observe?(.unmapped(pages))
  }

  /// Pages of a private window that hold copies already: those of a forked child, or of one that mremap() moved.
  public func adopt(process: Int, copies: [UInt64]) {
    for address in copies {
      guard let index = index(of: process, at: address), !windows[index].isShared else { continue }
      let page = windows[index].page(at: address)
      zapSmall(windows[index].base[page] == nil ? [] : [page], in: index)
      windows[index].hasAnonymous = true
      windows[index].tables.insert(windows[index].slot(page))
      show(frames.take(for: page, of: self), index, page)
    }
  }

  // MARK: Entry lock

  /// Locks the entry at a page, as a fault does before it looks at anything: for a second thread in
  /// the middle of one.
  public func lockEntry(
    _ page: UInt64, _ size: PageSize, task: UInt64
  ) -> (EntryTable.Grab, EntryTable.Effects) {
    let (grab, effects) = entries.grab(page, size, task: task)
    if let pages = effects.unmap { unmapPages(pages) }
    wake(effects.woken)
    return (grab, effects)
  }

  /// Unlocks it; the next waiter goes on.
  public func unlockEntry(_ page: UInt64) { wake(entries.unlock(page)) }

  // MARK: Private

  func index(of process: Int, at address: UInt64) -> Int? {
    let own = places[process] ?? []
    let found = place(of: address, in: own)
    guard found < own.count, windows[own[found]].addresses.contains(address) else { return nil }
    return own[found]
  }

  /// The first of a process's windows that ends behind `address`.
  private func place(of address: UInt64, in own: [Int]) -> Int {
    own.partitioningIndex {
      visits += 1
      return windows[$0].addresses.upperBound > address
    }
  }

  private func overlapsWindow(of process: Int, _ addresses: Range<UInt64>) -> Bool {
    let own = places[process] ?? []
    let found = place(of: addresses.lowerBound, in: own)
    return found < own.count && windows[own[found]].addresses.overlaps(addresses)
  }

  /// The windows of a process, in the order of `windows`.
  private func indices(of process: Int) -> [Int] {
    let found = places[process] ?? []
    visits += found.count
    return found.sorted()
  }

  func append(_ window: FileWindow) {
    let own = places[window.process] ?? []
    let place = place(of: window.addresses.lowerBound, in: own)
    places[window.process, default: []].insert(windows.count, at: place)
    windows.append(window)
  }

  /// Takes windows out, given ascending. Cost: one pass over those that come behind.
  func remove(_ gone: [Int]) {
    guard let first = gone.first else { return }
    let out = Set(gone)
    let behind = windows[first...]
    let rest = behind.indices.filter { !out.contains($0) }.map { windows[$0] }
    for process in Set(behind.map(\.process)) { places[process]?.removeAll { $0 >= first } }
    for process in Set(behind.map(\.process)) where places[process]?.isEmpty == true {
      places[process] = nil
    }
    visits += behind.count
    windows.removeSubrange(first...)
    for window in rest { append(window) }
  }

  /// Removes what maps `pages` from one window.
  func clear(_ pages: Range<UInt64>, in index: Int, evenCopies: Bool) {
    visits += 1
    let pages = pages.clamped(to: windows[index].pages)
    if pages.isEmpty { return }
    let small: [UInt64] =
      pages.count < windows[index].base.count
      ? pages.filter { windows[index].base[$0] != nil }
      : windows[index].base.keys.filter(pages.contains)
    zapSmall(
      small.filter { evenCopies || !windows[index].base[$0]!.isCopy }, in: index)
    if evenCopies, !windows[index].lost.isEmpty {
      windows[index].lost = windows[index].lost.filter { !pages.contains($0) }
    }
    for head in windows[index].huge.keys where pages.overlaps(PageSize.huge.span(head)) {
      zapHuge(head, isCut: !pages.contains(PageSize.huge.span(head)), in: index)
    }
  }

  func warn(_ warnings: [DaxWarning]) {
    for warning in warnings { observe?(.warning(warning)) }
  }

  func wake(_ tasks: [UInt64]) {
    if !tasks.isEmpty { observe?(.woken(tasks)) }
  }

  /// Cuts the windows of a process at both ends of `addresses`. A huge entry across a cut goes.
  private func split(_ process: Int, at addresses: Range<UInt64>) {
    for address in [addresses.lowerBound, addresses.upperBound] {
      guard let index = index(of: process, at: address),
        windows[index].addresses.lowerBound != address
      else { continue }
      let page = windows[index].page(at: address)
      if page & 511 != 0, windows[index].huge[PageSize.huge.head(page)] != nil {
        clear(page..<page + 1, in: index, evenCopies: false)
      }
      // Both parts go behind the others in the order of the file's windows: `vma_prepare` takes the window out of the file's
      // tree, `vma_complete` puts the parts in, mm/vma.c.
      var lower = windows[index]
      remove([index])
      var upper = lower
      lower.addresses = lower.addresses.lowerBound..<address
      lower.base = lower.base.filter { $0 < page }
      lower.huge = lower.huge.filter { $0.key < page }
      lower.lost = lower.lost.filter { $0 < page }
      upper.addresses = address..<upper.addresses.upperBound
      upper.firstPage = page
      upper.base = upper.base.filter { $0 >= page }
      upper.huge = upper.huge.filter { $0.key >= page }
      upper.lost = upper.lost.filter { $0 >= page }
      append(lower)
      append(upper)
    }
  }

  static func writeProtected(_ entry: FilePTE) -> FilePTE {
    var entry = entry
    entry.isWritable = false
    return entry
  }
}
