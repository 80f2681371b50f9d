public import PmemBase

/// A file's DAX entries and who waits for them: `i_pages`, with the entry lock as an explicit state
/// machine.
///
/// An entry that is locked is waited for, and the waiters of one entry are a queue. Exclusive ones
/// promise to take the entry or to call `pass`, so that one wake-up at a time is enough; the others
/// are woken along with whatever comes first. Pages are in 4 KiB units. A value without a lock.
///
/// Source: `get_next_unlocked_entry`, `dax_wake_entry`, `put_unlocked_entry`, `grab_mapping_entry`,
/// fs/dax.c (v6.12, v7.3).
public struct EntryTable: Sendable {
  struct Slot: Sendable {
    var entry: DaxEntry
    var isLocked = false
    var isDirty = false
    var isToWrite = false
    /// Made by a copy-on-write: the proposal's entries hold nothing then.
    var isCopied = false
    /// DAX_ZAP: what it held of its pages is given back (the proposal).
    var isZapped = false
  }

  /// Who waits for an entry.
  public struct Waiter: Hashable, Sendable {
    public let task: UInt64
    public let isExclusive: Bool

    public init(task: UInt64, isExclusive: Bool) {
      self.task = task
      self.isExclusive = isExclusive
    }
  }

  /// What became of a wish to lock.
  public enum Grab: Equatable, Sendable {
    case locked(DaxEntry)
    /// Queued; ask again when woken.
    case waits
    /// Smaller entries are in the way (FT-06).
    case fallback
  }

  /// What a grab did on its way.
  public struct Effects: Equatable, Sendable {
    /// Pages whose page-table entries the caller removes now: a huge zero page is being taken apart
    /// (FT-05).
    public var unmap: Range<UInt64>?
    public var woken: [UInt64] = []

    public init() {}
  }

  private var slots = PageMap<Slot>()
  private var baseCounts: [UInt64: Int] = [:]
  private var hugeCount = 0
  private var waiters: [UInt64: [Waiter]] = [:]

  /// Pages that entries cover, locked placeholders too: `nrpages`.
  public private(set) var pageCount: UInt64 = 0

  public init() {}

  // MARK: Looking

  /// The entry that covers a page.
  public subscript(page: UInt64) -> DaxEntry? { slot(page)?.entry }

  public func isLocked(_ page: UInt64) -> Bool { slot(page)?.isLocked ?? false }

  /// PAGECACHE_TAG_DIRTY: stores that no writeback has flushed.
  public func isDirty(_ page: UInt64) -> Bool { slot(page)?.isDirty ?? false }

  /// PAGECACHE_TAG_TOWRITE: selected by a writeback, or written by a copy-on-write.
  public func isToWrite(_ page: UInt64) -> Bool { slot(page)?.isToWrite ?? false }

  /// DAX_ZAP, in the 2022 proposal: layout breaking has been here, and nothing takes the mark off (RC-29).
  public func isZapped(_ page: UInt64) -> Bool { slot(page)?.isZapped ?? false }

  func isCopied(_ page: UInt64) -> Bool { slot(page)?.isCopied ?? false }

  /// Who waits for the entry that covers a page, in the order in which they came.
  public func waiters(for page: UInt64) -> [Waiter] { waiters[key(of: page) ?? page] ?? [] }

  /// The first pages of the entries that touch `pages`, ascending.
  public func heads(in pages: Range<UInt64>) -> [UInt64] {
    guard !pages.isEmpty else { return [] }
    if UInt64(pages.count) < UInt64(slots.count) {
      var heads: [UInt64] = []
      var page = pages.lowerBound
      while page < pages.upperBound {
        guard let key = key(of: page) else {
          page += 1
          continue
        }
        heads.append(key)
        page = key + slots[key]!.entry.size.pages
      }
      return heads
    }
    return slots.keys.filter {
      $0 < pages.upperBound && $0 + slots[$0]!.entry.size.pages > pages.lowerBound
    }.sorted()
  }

  public var isEmpty: Bool { slots.isEmpty }

  // MARK: Lock and wait

  /// Locks the entry at a page for a fault of that size, making an empty one if there is none.
  public mutating func grab(
    _ page: UInt64, _ size: PageSize, task: UInt64
  ) -> (Grab, Effects) {
    var effects = Effects()
    let head = size.head(page)
    guard let place = place(of: page) else {
      if size == .huge, baseCounts[head >> 9] != nil { return (.fallback, effects) }
      return (.locked(insertLocked(DaxEntry(.empty, size), at: head)), effects)
    }
    let key = slots.page(at: place)
    let slot = slots[place: place]
    if slot.entry.size == .base, size == .huge { return (.fallback, effects) }
    if slot.isLocked {
      waiters[key, default: []].append(Waiter(task: task, isExclusive: true))
      return (.waits, effects)
    }
    if size == .base, slot.entry.size == .huge, !slot.entry.isReal {
      if slot.entry.content == .zero { effects.unmap = PageSize.huge.span(page) }
      effects.woken = remove(page)
      return (.locked(insertLocked(DaxEntry(.empty, .base), at: page)), effects)
    }
    slots[place: place].isLocked = true
    return (.locked(slot.entry), effects)
  }

  /// Locks what is there, for whoever needs no entry of his own (writeback, memory failure).
  ///
  /// - Returns: nil if there is nothing to lock.
  public mutating func lock(_ page: UInt64, for waiter: Waiter) -> Grab? {
    guard let key = key(of: page) else { return nil }
    guard !slots[key]!.isLocked else {
      waiters[key, default: []].append(waiter)
      return .waits
    }
    slots[key]!.isLocked = true
    return .locked(slots[key]!.entry)
  }

  /// Unlocks, storing `entry` if it is not nil. Wakes the next (FT-25).
  ///
  /// - Returns: The tasks that are woken: one exclusive waiter, and the others that stood before
  ///   it.
  public mutating func unlock(_ page: UInt64, storing entry: DaxEntry? = nil) -> [UInt64] {
    guard let place = place(of: page), slots[place: place].isLocked else {
      preconditionFailure("the entry at page \(page) is not locked")
    }
    if let entry { slots[place: place].entry = entry }
    slots[place: place].isLocked = false
    return waiters.isEmpty ? [] : wakeNext(slots.page(at: place))
  }

  /// Lets a wake-up go on, by an exclusive waiter who does not take the entry:
  /// `put_unlocked_entry`.
  public mutating func pass(_ page: UInt64) -> [UInt64] {
    guard let key = key(of: page), !slots[key]!.isLocked else { return [] }
    return wakeNext(key)
  }

  /// Removes the entry that covers a page, locked or not, and wakes everybody who waits for it
  /// (FT-25).
  public mutating func remove(_ page: UInt64) -> [UInt64] {
    guard let key = key(of: page), let slot = slots[key] else { return [] }
    slots[key] = nil
    pageCount -= slot.entry.size.pages
    if slot.entry.size == .base {
      baseCounts[key >> 9]! -= 1
      if baseCounts[key >> 9] == 0 { baseCounts[key >> 9] = nil }
    } else {
      hugeCount -= 1
    }
    return waiters.removeValue(forKey: key)?.map(\.task) ?? []
  }

  // MARK: Content and marks

  /// Stores another entry in the place of a locked one. A small one in the place of a huge one, as a copy-on-write of one page of it does,
  /// leaves nothing for the other pages.
  mutating func replace(_ page: UInt64, with entry: DaxEntry, isCopied: Bool) {
    var place = place(of: page)!
    if entry.size == .base, slots[place: place].entry.size == .huge {
      let key = slots.page(at: place)
      let slot = slots[place: place]
      slots[key] = nil
      pageCount -= slot.entry.size.pages
      hugeCount -= 1
      _ = insertLocked(entry, at: page)
      slots[page]!.isDirty = slot.isDirty
      slots[page]!.isToWrite = slot.isToWrite
      if let waiting = waiters.removeValue(forKey: key) { waiters[page, default: []] += waiting }
      place = self.place(of: page)!
    }
    slots[place: place].entry = entry
    slots[place: place].isCopied = isCopied
    slots[place: place].isZapped = false
  }

  mutating func setZapped(_ page: UInt64) { slots[place: place(of: page)!].isZapped = true }

  mutating func setDirty(_ page: UInt64, _ value: Bool) {
    slots[place: place(of: page)!].isDirty = value
  }

  mutating func setToWrite(_ page: UInt64, _ value: Bool) {
    slots[place: place(of: page)!].isToWrite = value
  }

  // MARK: Private

  private func slot(_ page: UInt64) -> Slot? { place(of: page).map { slots[place: $0] } }

  /// The first page of the entry that covers `page`.
  func key(of page: UInt64) -> UInt64? { place(of: page).map { slots.page(at: $0) } }

  /// Where the entry that covers `page` is: one look, unless there are huge ones.
  private func place(of page: UInt64) -> PageMap<Slot>.Place? {
    if let place = slots.place(of: page) { return place }
    guard hugeCount > 0, let place = slots.place(of: PageSize.huge.head(page)),
      slots[place: place].entry.size == .huge
    else { return nil }
    return place
  }

  private mutating func insertLocked(_ entry: DaxEntry, at page: UInt64) -> DaxEntry {
    slots[page] = Slot(entry: entry, isLocked: true)
    pageCount += entry.size.pages
    if entry.size == .base { baseCounts[page >> 9, default: 0] += 1 } else { hugeCount += 1 }
    return entry
  }

  private mutating func wakeNext(_ key: UInt64) -> [UInt64] {
    guard var queue = waiters[key] else { return [] }
    let end = queue.firstIndex(where: \.isExclusive).map { $0 + 1 } ?? queue.count
    let woken = queue[..<end].map(\.task)
    queue.removeSubrange(..<end)
    waiters[key] = queue.isEmpty ? nil : queue
    return woken
  }
}
