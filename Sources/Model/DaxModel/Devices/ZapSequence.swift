public import PmemBase

/// One step of taking page-table entries away, or of cleaning one. Pages are the caller's own numbers for them.
public enum ZapStep: Hashable, Sendable {
  /// The entry is read and cleared in one: from here on a walk of the page table finds nothing.
  case clear(UInt64)
  /// What the entry knew of stores is told to the page: `folio_mark_dirty`, which does nothing for a DAX page.
  case markDirty(UInt64)
  /// The mapcount is dropped: from here on whoever looks for mappings of the page misses this one.
  case removeRmap(UInt64)
  /// Every processor forgets the translations that were cleared.
  case flush
  /// The page-table lock is dropped.
  case unlock
  /// The reference is dropped: from here on the page may be anybody's.
  case put(UInt64)
  /// The entry comes back, clean and without the right to write (writeback only).
  case setClean(UInt64)
}

/// How a kernel orders rmap removal and TLB flush when it zaps small entries.
///
/// In the first order a store through a stale translation can come after the page lost its mapping, so that whoever
/// cleans the page meanwhile does not find the mapping to clean: the store is never written back.
///
/// Source: `zap_pte_range`, mm/memory.c (v6.1, v6.12); `tlb_flush_rmaps`, mm/mmu_gather.c (v6.12).
public enum ZapOrder: Sendable, CaseIterable {
  /// Up to 6.1.
  case rmapThenFlush
  /// From 6.2 on, where the processor can delay it: not on s390, nor with one processor.
  case flushThenRmap

  public init(_ kernel: KernelBehavior) {
    switch kernel {
    case .v6_1: self = .rmapThenFlush
    case .v6_12, .v7_2: self = .flushThenRmap
    }
  }
}

/// Taking page-table entries away, step by step: a value that says what comes next and does nothing itself.
///
/// Between two steps anything may happen on other processors; `RacedPage` shows what.
public struct ZapSequence: Sendable, Sequence, IteratorProtocol {
  /// A page-table entry that is to go.
  public struct Entry: Hashable, Sendable {
    public let page: UInt64
    public let isDirty: Bool
    /// Whether memory management knows a page behind it; not for the zero page, nor, up to 6.14, for a DAX page.
    public let hasPage: Bool

    public init(page: UInt64, isDirty: Bool, hasPage: Bool) {
      self.page = page
      self.isDirty = isDirty
      self.hasPage = hasPage
    }
  }

  private let steps: [ZapStep]
  private var position = 0

  /// Small entries under one page-table lock, in one batch.
  ///
  /// A dirty entry forces the flush under the lock; otherwise it comes with the end of the batch. A reference is
  /// dropped after a flush in any case.
  ///
  /// Source: `zap_pte_range`, `tlb_flush_mmu` (v6.1, v6.12, v7.3).
  public init(small entries: [Entry], _ order: ZapOrder) {
    var steps: [ZapStep] = []
    var delayed: [ZapStep] = []
    for entry in entries {
      steps.append(.clear(entry.page))
      guard entry.hasPage else { continue }
      if entry.isDirty { steps.append(.markDirty(entry.page)) }
      if entry.isDirty, order == .flushThenRmap {
        delayed.append(.removeRmap(entry.page))
      } else {
        steps.append(.removeRmap(entry.page))
      }
    }
    let isForced = entries.contains { $0.isDirty && $0.hasPage }
    steps += isForced ? [.flush] + delayed + [.unlock] : [.unlock, .flush]
    self.steps = steps + Self.puts(entries)
  }

  /// One huge entry as a whole: rmap is never delayed.
  ///
  /// Source: `zap_huge_pmd`, mm/huge_memory.c (v6.12, v7.3).
  public init(huge entry: Entry) {
    var steps: [ZapStep] = [.clear(entry.page)]
    if entry.hasPage {
      if entry.isDirty { steps.append(.markDirty(entry.page)) }
      steps.append(.removeRmap(entry.page))
    }
    self.steps = steps + [.unlock, .flush] + Self.puts([entry])
  }

  /// One huge entry of a file that is cut: it goes as a whole, flushed first, everything under the lock.
  ///
  /// Source: `__split_huge_pmd_locked`, mm/huge_memory.c (v7.3).
  public init(cut entry: Entry) {
    var steps: [ZapStep] = [.clear(entry.page), .flush]
    if entry.hasPage {
      if entry.isDirty { steps.append(.markDirty(entry.page)) }
      steps.append(.removeRmap(entry.page))
    }
    self.steps = steps + Self.puts([entry]) + [.unlock]
  }

  /// Writeback's cleaning of one entry: it is gone for a moment, so that no store slips through.
  ///
  /// Source: `page_vma_mkclean_one`, mm/rmap.c (v6.12, v7.3).
  public init(cleaning page: UInt64) { steps = [.clear(page), .flush, .setClean(page), .unlock] }

  /// What comes next; nil after the last step.
  public mutating func next() -> ZapStep? {
    guard position < steps.count else { return nil }
    position += 1
    return steps[position - 1]
  }

  private static func puts(_ entries: [Entry]) -> [ZapStep] {
    entries.filter(\.hasPage).map { .put($0.page) }
  }
}
