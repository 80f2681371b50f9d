import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct `a zap` {
  static let newer: [KernelBehavior] = [.v6_12, .v7_2]

  private func steps(_ order: ZapOrder, isDirty: Bool) -> [ZapStep] {
    Array(
      ZapSequence(
        small: [ZapSequence.Entry(page: 0, isDirty: isDirty, hasPage: true)], order))
  }

  /// Catches a page that loses its mapping before the flush. A DAX page of 6.12 has no page behind its entry,
  /// so there it is the order of every other file's pages.
  @Test(arguments: newer)
  func `ZO-01: from 6_2 on a dirty page keeps its mapping until after the flush`(
    kernel: KernelBehavior
  ) {
    #expect(
      steps(ZapOrder(kernel), isDirty: true) == [
        .clear(0), .markDirty(0), .flush, .removeRmap(0), .unlock, .put(0),
      ])
  }

  /// Catches the order above that a file's munmap does not follow.
  @Test func `ZO-01: landed munmap of a written DAX page takes these steps`() {
    let opened = Machine(.v7_2).file(1, pages: 4, block: 64)
    opened.map()
    opened.write(0)
    opened.read(1)
    opened.mapping.unmapAll(process: 1)
    #expect(
      opened.steps == [
        .clear(0), .markDirty(0), .clear(1), .removeRmap(1), .flush, .removeRmap(0), .unlock,
        .put(0), .put(1),
      ])
  }

  /// Catches the mended order where 6.1 was asked for.
  @Test func `ZO-02: up to 6_1 a dirty page loses its mapping before the flush`() {
    #expect(
      steps(ZapOrder(.v6_1), isDirty: true) == [
        .clear(0), .markDirty(0), .removeRmap(0), .flush, .unlock, .put(0),
      ])
  }

  /// Catches a flush under the lock that nothing asks for, and a reference that is dropped before any flush.
  @Test(arguments: ZapOrder.allCases)
  func `ZO-03: a clean page is flushed when the batch ends, and put after that`(order: ZapOrder) {
    #expect(
      steps(order, isDirty: false) == [.clear(0), .removeRmap(0), .unlock, .flush, .put(0)])
  }

  /// Catches an fsync that write-protects an entry while processors still remember it.
  @Test(arguments: KernelBehavior.allCases)
  func `ZO-05: fsync clears, flushes and sets the entry of each written page`(
    kernel: KernelBehavior
  ) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.write(2)
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.steps == [.clear(2), .flush, .setClean(2), .unlock])
    #expect(opened.mapping.windows[0].entry(for: 2)?.isWritable == false)
    #expect(opened.counts(66).mapcount == (kernel == .v7_2 ? 1 : 0))
  }

  /// Catches a step of a huge entry's cut that is left for later, and a cut that keeps half of it.
  @Test func `ZO-08: a cut through a written huge page does everything under the lock`() {
    let opened = Machine(.v7_2).file(1, pages: 512, block: 512)
    opened.map()
    opened.write(0)
    #expect(opened.counts(512).refcount == 1)
    opened.mapping.zap(process: 1, addresses: Machine.start..<Machine.start + 4096)
    #expect(
      opened.steps == [
        .clear(0), .flush, .markDirty(0), .removeRmap(0), .put(0), .unlock,
      ])
    #expect(!opened.isPresent(0) && !opened.isPresent(511))
    #expect(opened.counts(512).refcount == 0 && opened.counts(512).mapcount == 0)
  }

  /// Catches the cut's order given to a huge entry that goes as a whole: its flush ends the batch.
  @Test func `of a whole huge page flushes after the lock`() {
    let opened = Machine(.v7_2).file(1, pages: 512, block: 512)
    opened.map()
    opened.write(0)
    opened.mapping.unmapAll(process: 1)
    #expect(
      opened.steps == [
        .clear(0), .markDirty(0), .removeRmap(0), .unlock, .flush, .put(0),
      ])
  }

  /// Catches a store that a DAX page notes by itself: only a fault marks the file's entry, so what a device stores
  /// after an fsync is never flushed.
  @Test(arguments: KernelBehavior.allCases)
  func `ZO-07: what a device stores after fsync is not flushed by the next one`(
    kernel: KernelBehavior
  ) throws {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.write(2)
    let pin = try opened.take(2, 1, .pin)
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.flushed == [2..<3])
    // The device stores, and its driver says so: set_page_dirty.
    opened.mapping.release(pin, isDirty: true)
    #expect(opened.events.contains(.dirtIgnored(block: 66)))
    #expect(!opened.mapping.entries.isDirty(2))
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.flushed == [2..<3])
    // A processor's store does make it dirty.
    opened.write(2)
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.flushed == [2..<3, 2..<3])
  }
}

/// One page, one entry, and what several processors do to it in every possible order.
@Suite struct `processors that race with a zap` {
  enum Actor {
    /// Takes the entry away; the lock is number 1.
    case zap(ZapSequence, hasLock: Bool)
    case writeback(PageWriteback)
    case stores(processor: Int, left: Int)
    case gup(FastGup)
    /// Layout breaking's look at the page, after the zap.
    case scan(sawIdle: Bool?)
  }

  static func step(_ page: inout RacedPage, _ actor: inout Actor)
    -> Interleavings<RacedPage, Actor>.Outcome
  {
    switch actor {
    case .zap(var sequence, let hasLock):
      guard hasLock || page.lock(1) else { return .blocked }
      guard let step = sequence.next() else { return .done }
      page.perform(step)
      actor = .zap(sequence, hasLock: true)
    case .writeback(var writeback):
      let moved = writeback.step(&page)
      actor = .writeback(writeback)
      return moved ? .moved : .blocked
    case .stores(let processor, let left):
      guard left > 0 else { return .done }
      _ = page.store(on: processor)
      actor = .stores(processor: processor, left: left - 1)
    case .gup(var gup):
      let moved = gup.step(&page)
      actor = .gup(gup)
      return moved ? .moved : .done
    case .scan(nil):
      // The zap's caller scans when the zap is over.
      guard page.entry == nil, page.mapcount == 0, page.lockHolder == nil, page.tlb.isEmpty
      else { return .blocked }
      actor = .scan(sawIdle: page.isIdle)
    case .scan: return .done
    }
    return .moved
  }

  /// The page, with a store that processor 0 remembers.
  private func written(_ page: RacedPage) -> RacedPage {
    var page = page
    let stored = page.store(on: 0)
    #expect(stored && page.entry == .dirty)
    return page
  }

  private func zap(_ page: RacedPage, _ order: ZapOrder) -> Actor {
    .zap(page.zap(order), hasLock: false)
  }

  private func losses(_ order: ZapOrder) -> Int {
    var lost = 0
    var interleavings = Interleavings(step: Self.step)
    interleavings.finish = { page, _ in if page.hasLostStore { lost += 1 } }
    let page = written(.ordinary)
    interleavings.explore(
      page,
      [zap(page, order), .writeback(PageWriteback(task: 2)), .stores(processor: 0, left: 1)])
    return lost
  }

  /// Catches a window of stale translations that cannot be seen, and one that is still open where the kernel has
  /// closed it. The page is an ordinary file's.
  @Test func `ZO-02: lose a store up to 6_1, and never from 6_2 on`() {
    #expect(losses(.rmapThenFlush) > 0)
    #expect(losses(.flushThenRmap) == 0)
  }

  /// Catches a page that is anybody's while a processor can still store to it.
  @Test(arguments: ZapOrder.allCases, [false, true])
  func `ZO-04: reach no page whose last reference is gone`(order: ZapOrder, isDirty: Bool) {
    var stale = 0
    var free = 0
    var interleavings = Interleavings(step: Self.step)
    interleavings.check = { page, _ in
      if page.hasStaleTranslation { stale += 1 }
      guard page.isIdle else { return }
      free += 1
      #expect(page.tlb.isEmpty && page.entry == nil)
    }
    let fresh = RacedPage(daxUnder: .landed)
    let page = isDirty ? written(fresh) : fresh
    interleavings.explore(page, [zap(page, order), .stores(processor: 0, left: 2)])
    #expect(free > 0)
    // Only a translation that was made before the zap can be stale.
    #expect((stale > 0) || !isDirty)
  }

  /// Catches a store that slips in between cleaning and the end of an fsync, and goes without a fault.
  @Test(arguments: [RefcountRegime.legacy, .landed])
  func `ZO-05: store before the cleaning or fault after it`(regime: RefcountRegime) {
    #expect(
      Array(ZapSequence(cleaning: 0)) == [.clear(0), .flush, .setClean(0), .unlock])
    var faulted = 0
    var interleavings = Interleavings(step: Self.step)
    interleavings.finish = { page, _ in
      // Everything that was stored is written: a store after the cleaning has faulted.
      #expect(page.memory == page.written && page.entry == .readOnly && page.tlb.isEmpty)
      var page = page
      if !page.store(on: 0) { faulted += 1 }
      #expect(page.memory == page.written)
    }
    interleavings.explore(
      written(RacedPage(daxUnder: regime)),
      [.writeback(PageWriteback(task: 2)), .stores(processor: 0, left: 2)])
    #expect(faulted > 0)
  }

  /// Catches a gup that gets a page which layout breaking has found idle: the legacy entry holds no reference, so only
  /// the second look at the entry saves it.
  @Test(arguments: ZapOrder.allCases, [RefcountRegime.managed, .legacy, .landed])
  func `ZO-06: get a reference that the scan sees, or none`(
    order: ZapOrder, regime: RefcountRegime
  ) {
    var seen: Set<String> = []
    var interleavings = Interleavings(step: Self.step)
    interleavings.finish = { page, actors in
      guard case .gup(let gup) = actors[1], case .scan(let sawIdle?) = actors[2] else {
        Issue.record("an actor did not end: \(actors)")
        return
      }
      #expect(!(sawIdle && gup.state == .taken))
      #expect(page.refcount == page.idleRefcount + (gup.state == .taken ? 1 : 0))
      seen.insert("\(gup.state == .taken) \(sawIdle)")
    }
    let page = RacedPage(daxUnder: regime)
    interleavings.explore(
      page, [zap(page, order), .gup(FastGup()), .scan(sawIdle: nil)])
    // Taken and seen; refused and idle; refused, but the scan saw the reference come and go.
    #expect(seen == ["true false", "false true", "false false"])
  }
}
