public import PageModel

/// One page that one entry maps, as several processors race on it: page table, TLBs, page-table lock, counts, data.
///
/// A value: a copy is another history from here on, so that a test can try every order of steps. Stores are numbered;
/// `memory` is the last one made, `written` the last one that was written back.
public struct RacedPage: Hashable, Sendable {
  public enum Entry: Hashable, Sendable {
    case readOnly
    case writable
    case dirty
  }

  /// The page-table entry; nil while there is none.
  public internal(set) var entry: Entry? = .writable
  /// What each processor remembers of the entry.
  public internal(set) var tlb: [Int: Entry] = [:]
  /// Who holds the page-table lock.
  public internal(set) var lockHolder: Int?
  public internal(set) var refcount: UInt32
  public internal(set) var mapcount: UInt32
  public internal(set) var isDirty = false
  public internal(set) var memory = 0
  public internal(set) var written = 0
  /// A DAX page does not note that it was stored to (`noop_dirty_folio`), and its mappings are found by the file's
  /// windows, not by the mapcount.
  public let isDax: Bool
  /// The refcount when nobody uses the page.
  public let idleRefcount: UInt32

  /// A page of a DAX file, mapped once.
  public init(daxUnder regime: RefcountRegime) {
    isDax = true
    idleRefcount = regime.idleRefcount(.fsDax)
    mapcount = regime.mappingReferences
    refcount = idleRefcount + mapcount
  }

  /// A page of any other file, mapped once; what its page cache holds is left out.
  public static let ordinary = RacedPage()

  private init() {
    isDax = false
    idleRefcount = 0
    mapcount = 1
    refcount = 1
  }

  /// Taking its entry away, as the entry is now.
  public func zap(_ order: ZapOrder) -> ZapSequence {
    ZapSequence(
      small: [ZapSequence.Entry(page: 0, isDirty: entry == .dirty, hasPage: mapcount > 0)],
      order)
  }

  public var isIdle: Bool { refcount == idleRefcount }

  /// Whether some processor reaches the page without a walk of the page table.
  public var hasStaleTranslation: Bool { !tlb.isEmpty && entry == nil }

  /// Whether a store will never be written back: nobody knows of it, and no entry will say so. Ask when nobody is in
  /// the middle of anything.
  public var hasLostStore: Bool {
    memory != written && !isDirty && entry != .dirty && !tlb.values.contains(.dirty)
  }

  /// A store. The processor walks the page table only if it does not remember a dirty translation.
  ///
  /// - Returns: false if it faults.
  public mutating func store(on processor: Int) -> Bool {
    if tlb[processor] != .dirty {
      guard let found = entry, found != .readOnly else {
        if entry == nil { tlb[processor] = nil }
        return false
      }
      entry = .dirty
      tlb[processor] = .dirty
    }
    memory += 1
    return true
  }

  /// A store by a device, through a reference that gup took.
  public mutating func storeByDevice() { memory += 1 }

  /// `folio_mark_dirty`, by whoever has stored through a reference.
  public mutating func markDirty() { if !isDax { isDirty = true } }

  /// Takes the page-table lock.
  ///
  /// - Returns: false if somebody has it.
  public mutating func lock(_ task: Int) -> Bool {
    guard lockHolder == nil || lockHolder == task else { return false }
    lockHolder = task
    return true
  }

  /// Does one step of a zap or of a cleaning.
  public mutating func perform(_ step: ZapStep) {
    switch step {
    case .clear: entry = nil
    case .markDirty: markDirty()
    case .removeRmap: mapcount -= 1
    case .flush: tlb = [:]
    case .unlock: lockHolder = nil
    case .put: refcount -= 1
    case .setClean: entry = .readOnly
    }
  }
}

/// gup without locks: the entry is read, the reference taken, the entry read again.
///
/// Source: `gup_fast_pte_range`, mm/gup.c (v7.3).
public struct FastGup: Hashable, Sendable {
  public enum State: Hashable, Sendable {
    case reading
    case grabbing(RacedPage.Entry)
    case checking(RacedPage.Entry)
    /// The entry had changed: the reference goes back.
    case undoing
    case taken
    /// The slow path walks under the page-table lock, and faults.
    case slow
  }

  public private(set) var state = State.reading

  public init() {}

  /// Does the next step on the page.
  ///
  /// - Returns: false when there is none left.
  public mutating func step(_ page: inout RacedPage) -> Bool {
    switch state {
    case .reading: state = page.entry.map(State.grabbing) ?? .slow
    case .grabbing(let seen):
      if page.refcount > 0 {
        page.refcount += 1
        state = .checking(seen)
      } else {
        state = .slow
      }
    case .checking(let seen): state = page.entry == seen ? .taken : .undoing
    case .undoing:
      page.refcount -= 1
      state = .slow
    case .taken, .slow: return false
    }
    return true
  }
}

/// Writeback of the page: clean the entry that maps it, then write what memory holds.
///
/// Of an ordinary file, a page without a mapcount is not looked for in page tables.
///
/// Source: `folio_clear_dirty_for_io`, mm/page-writeback.c; `folio_mkclean`, `pfn_mkclean_range`, mm/rmap.c (v6.1,
/// v7.3).
public struct PageWriteback: Hashable, Sendable {
  private enum State: Hashable {
    case looking
    case cleaning(Int)
    case writing
    case done
  }

  public let task: Int
  private var state = State.looking

  public init(task: Int) { self.task = task }

  public var isDone: Bool { state == .done }

  /// Does the next step on the page.
  ///
  /// - Returns: false if there is none left, or if somebody else holds the page-table lock: try again.
  public mutating func step(_ page: inout RacedPage) -> Bool {
    switch state {
    case .looking:
      guard page.isDax || page.mapcount > 0 else {
        state = .writing
        return true
      }
      guard page.lock(task) else { return false }
      if page.entry == nil {
        page.perform(.unlock)
        state = .writing
      } else {
        state = .cleaning(0)
      }
    case .cleaning(let count):
      let step = Array(ZapSequence(cleaning: 0))
      page.perform(step[count])
      state = count + 1 < step.count ? .cleaning(count + 1) : .writing
    case .writing:
      page.isDirty = false
      page.written = page.memory
      state = .done
    case .done: return false
    }
    return true
  }
}
