import DaxModel
import PmemBase
import SystemPackage

/// An address space as simple as it can be said: what each page shows, which folios are present,
/// what is changing.
///
/// The judge of the random test. No interval is ever split or joined here; every question is a loop
/// over pages. What it answers is written from the kernel's rules, not from the model's code.
struct NaiveSpace {
  /// What one page shows.
  struct Cell: Equatable {
    var device: Int
    /// Of the device, in pages.
    var page: Int
    var protection: Protection
    var access: AccessMode
    var advice: Set<Int32> = []
  }

  struct Entry: Equatable, Hashable {
    var device: Int
    var folio: Int
  }

  struct Pending {
    var id: UInt64
    var call: Call
    var at: Int
    var pages: Int
    var ranges: [Range<Int>]
    var targetUnknown = false
  }

  var cells = [Cell?](repeating: nil, count: Arena.pages)
  /// By the first page of the folio.
  var present: [Int: Entry] = [:]
  var pending: [Pending] = []

  // MARK: What is there

  /// Whether `page` and the one before it belong to one window.
  func joined(_ page: Int) -> Bool {
    guard page > 0, page < Arena.pages, let left = cells[page - 1], let right = cells[page] else {
      return false
    }
    return left.device == right.device && left.page + 1 == right.page
      && left.protection == right.protection && left.access == right.access
      && left.advice == right.advice
  }

  func window(at page: Int) -> Range<Int>? {
    guard cells.indices.contains(page), cells[page] != nil else { return nil }
    var low = page
    var high = page + 1
    while joined(low) { low -= 1 }
    while joined(high) { high += 1 }
    return low..<high
  }

  func windows(in range: Range<Int>) -> [Range<Int>] {
    var all: [Range<Int>] = []
    var page = range.lowerBound
    while page < range.upperBound {
      if let window = window(at: page) {
        all.append(window)
        page = window.upperBound
      } else {
        page += 1
      }
    }
    return all
  }

  func covers(_ range: Range<Int>) -> Bool { range.allSatisfy { cells[$0] != nil } }

  func slot(_ page: Int) -> Range<Int> {
    guard let cell = cells[page], Arena.isHuge(cell.device) else { return page..<page + 1 }
    return (page & ~511)..<(page & ~511) + 512
  }

  /// The part of a page's slot that lies in its window.
  func visibleSlot(_ page: Int) -> Range<Int> {
    slot(page).clamped(to: window(at: page) ?? 0..<0)
  }

  func isChanging(_ range: Range<Int>) -> Bool {
    pending.contains { $0.ranges.contains { $0.overlaps(range) } }
  }

  /// The folio that a touch of `page` would install, if the device's rules let it.
  func mappable(_ page: Int) -> Entry? {
    guard let cell = cells[page], let window = window(at: page) else { return nil }
    let size = Arena.pagesPerFolio(cell.device)
    if size > 1 {
      let first = cells[window.lowerBound]!.page
      guard
        window.lowerBound % size == 0, window.upperBound % size == 0, first % size == 0,
        !cell.advice.contains(15)
      else { return nil }
    }
    let folio = cell.page / size
    return folio < Arena.folioCount(cell.device) ? Entry(device: cell.device, folio: folio) : nil
  }

  // MARK: mmap, exit

  mutating func map(
    device: Int, range: Range<Int>, from: Int, writable: Bool
  ) -> Errno? {
    let size = Arena.pagesPerFolio(device)
    if range.isEmpty || range.lowerBound % size != 0 || range.upperBound % size != 0 {
      return .invalidArgument
    }
    if isChanging(range) { return .resourceTemporarilyUnavailable }
    if range.contains(where: { cells[$0] != nil }) { return .fileExists }
    fill(
      range,
      Cell(
        device: device, page: from, protection: writable ? [.read, .write] : .read,
        access: writable ? .readWrite : .readOnly))
    return nil
  }

  /// Gives every page of `range` the attributes of `cell`, as one mapping.
  mutating func fill(_ range: Range<Int>, _ cell: Cell) {
    for page in range {
      cells[page] = cell
      cells[page]!.page = cell.page + page - range.lowerBound
    }
  }

  mutating func clear(_ range: Range<Int>, device: Int? = nil) -> [Entry] {
    var gone: [Entry] = []
    for (slot, entry) in present where device == nil || device == entry.device {
      guard (slot..<slot + Arena.pagesPerFolio(entry.device)).overlaps(range) else { continue }
      gone.append(entry)
      present[slot] = nil
    }
    return gone
  }

  mutating func remove(_ range: Range<Int>) -> [Entry] {
    let gone = clear(range)
    for page in range { cells[page] = nil }
    return gone
  }

  // MARK: Touches

  mutating func fault(_ page: Int, around: Int) -> FaultDecision {
    guard let cell = cells[page] else {
      let waits = isChanging(page..<page + 1) || pending.contains { $0.targetUnknown }
      return waits ? .wait : .unmapped
    }
    let visible = Arena.addresses(visibleSlot(page))
    if isChanging(visibleSlot(page)) { return .wait }
    guard mappable(page) != nil else {
      return .beyondDevice(
        device: cell.device, address: visible.lowerBound, length: UInt64(visible.count),
        protection: cell.protection)
    }
    let size = Arena.pagesPerFolio(cell.device)
    let slot = slot(page).lowerBound
    if present[slot] != nil {
      return .present(
        device: cell.device, address: visible.lowerBound, length: UInt64(visible.count))
    }
    var block = 1
    while block * 2 <= around { block *= 2 }
    // Absolute slots, as the arena begins at a multiple of any block.
    let first = slot / size / block * block * size
    var low = slot
    var high = slot + size
    while low > first, isFree(low - 1, besides: page) { low -= size }
    while high < first + block * size, isFree(high, besides: page) { high += size }
    return install(low..<high)
  }

  /// Whether a neighbour of a touched page could be installed along with it.
  private func isFree(_ page: Int, besides touched: Int) -> Bool {
    guard page >= 0, page < Arena.pages, window(at: touched)!.contains(page) else { return false }
    return mappable(page) != nil && present[slot(page).lowerBound] == nil
      && !isChanging(visibleSlot(page))
  }

  private mutating func install(_ range: Range<Int>) -> FaultDecision {
    let device = cells[range.lowerBound]!.device
    let size = Arena.pagesPerFolio(device)
    let first = mappable(range.lowerBound)!.folio
    for slot in stride(from: range.lowerBound, to: range.upperBound, by: size) {
      present[slot] = mappable(slot)!
    }
    return .install(
      device: device, folios: first..<first + range.count / size,
      address: Arena.address(range.lowerBound), length: Arena.bytes(range.count))
  }

  mutating func populate(
    from page: Int, upTo end: Int, limit: Int
  ) -> (decision: FaultDecision?, next: Int) {
    var page = page
    while page < end {
      guard cells[page] != nil else {
        if fault(page, around: 0) == .wait { return (.wait, page) }
        while page < end, cells[page] == nil { page += 1 }
        return (.unmapped, page)
      }
      let slot = slot(page)
      if isChanging(visibleSlot(page)) { return (.wait, page) }
      guard mappable(page) != nil else {
        return (fault(page, around: 0), visibleSlot(page).upperBound)
      }
      guard present[slot.lowerBound] == nil else {
        page = slot.upperBound
        continue
      }
      var high = slot.upperBound
      let most = slot.lowerBound + slot.count * limit
      while high < min(end, most), isFree(high, besides: page) { high += slot.count }
      return (install(slot.lowerBound..<high), high)
    }
    return (nil, page)
  }
}
