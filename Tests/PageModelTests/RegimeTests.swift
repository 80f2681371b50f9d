import PageModel
import PmemBase
import Testing

@Suite struct `a device page under each refcount regime` {
  /// The regimes in which idle fs-dax pages have a refcount of 1.
  static let legacy: [RefcountRegime] = [.managed, .legacy]

  static func fsDax(_ regime: RefcountRegime, pages: UInt64 = 1024) -> Pagemap {
    Pagemap(type: .fsDax, pageCount: pages, folioSize: .base, regime: regime)
  }

  static func counts(_ refcount: UInt32, _ mapcount: UInt32 = 0, pins: UInt32 = 0) -> PageCounts {
    PageCounts(refcount: refcount, mapcount: mapcount, pincount: pins, share: 0)
  }

  /// Catches an idle count of another regime. (That no file owns the page is OW-01's.)
  @Test(arguments: legacy)
  func `RC-01: a new legacy fs-dax page has a refcount of 1 and is reserved`(
    regime: RefcountRegime
  ) {
    let pagemap = Self.fsDax(regime)
    for page in [0, 511, 1023] as [UInt64] {
      #expect(pagemap.counts(page: page) == Self.counts(1))
      #expect(pagemap.flags(ofPage: page) == .reserved)
    }
  }

  /// As above.
  @Test func `RC-02: a new landed fs-dax page has a refcount of 0`() {
    let pagemap = Self.fsDax(.landed)
    #expect(pagemap.counts(page: 1023) == Self.counts(0))
    #expect(pagemap.flags(ofPage: 1023) == .reserved)
  }

  /// Catches tails that are counted, and an order that is not the device's.
  @Test(arguments: [RefcountRegime.legacy, .landed])
  func `RC-03: a new device of 2 MiB pages has heads with a refcount of 1 and tails with 0`(
    regime: RefcountRegime
  ) {
    let pagemap = Pagemap(type: .generic, pageCount: 2048, folioSize: .huge, regime: regime)
    for head in [0, 512] as [UInt64] {
      #expect(pagemap.counts(page: head) == Self.counts(1))
      #expect(pagemap.size(ofPage: head).order == 9)
      #expect(pagemap.flags(ofPage: head) == [.reserved, .compoundHead])
      for tail in [head + 1, head + 511] {
        #expect(pagemap.counts(page: tail) == Self.counts(0))
        #expect(pagemap.flags(ofPage: tail) == [.reserved, .compoundTail])
        #expect(pagemap.folio(ofPage: tail) == Int(head / 512))
      }
    }
  }

  /// Catches a proposal that begins as the kernels of its time did.
  @Test func `RC-04: a new fs-dax page of the proposal has a refcount of 0 from version 2 on`() {
    #expect(Self.fsDax(.proposal1).counts(page: 7) == Self.counts(1))
    #expect(Self.fsDax(.proposal2).counts(page: 7) == Self.counts(0))
    #expect(Self.fsDax(.proposal3).counts(page: 7) == Self.counts(0))
  }

  /// Catches a sleeper that is woken while somebody uses the page, or never.
  @Test(arguments: legacy)
  func `RC-15: a legacy page wakes at the put that leaves 1`(regime: RefcountRegime) {
    let pagemap = Self.fsDax(regime)
    pagemap.map(folio: 3)
    #expect(pagemap.grab(folio: 3, pinned: false) == .taken)
    #expect(pagemap.counts(folio: 3) == Self.counts(2))
    #expect(pagemap.grab(folio: 3, pinned: false) == .taken)
    #expect(pagemap.counts(folio: 3) == Self.counts(3))
    #expect(pagemap.put(folio: 3) == .keeps)
    #expect(pagemap.counts(folio: 3) == Self.counts(2))
    #expect(pagemap.put(folio: 3) == .wakes)
    #expect(pagemap.counts(folio: 3) == Self.counts(1))
  }

  /// Catches a pin that is no bias, and one that looks like a plain reference.
  @Test(arguments: [RefcountRegime.managed, .legacy, .landed])
  func `RC-17: a pin of a small page is 1024 references`(regime: RefcountRegime) {
    let pagemap = Self.fsDax(regime)
    pagemap.map(folio: 3)
    let before = pagemap.counts(folio: 3)
    #expect(!pagemap.maybePinned(folio: 3))
    #expect(pagemap.grab(folio: 3, pinned: true) == .taken)
    #expect(
      pagemap.counts(folio: 3) == Self.counts(before.refcount + 1024, before.mapcount))
    #expect(pagemap.maybePinned(folio: 3))
    pagemap.unpin(folio: 3)
    #expect(pagemap.counts(folio: 3) == before && !pagemap.maybePinned(folio: 3))
  }

  /// Catches a false positive that is missing: the kernel has it too.
  @Test(arguments: [RefcountRegime.managed, .legacy, .landed])
  func `RC-21: 1024 plain references of a small page look like a pin`(regime: RefcountRegime) {
    let pagemap = Self.fsDax(regime)
    let already = pagemap.counts(folio: 3).refcount
    for _ in already..<1023 { pagemap.get(folio: 3) }
    #expect(!pagemap.maybePinned(folio: 3))
    pagemap.get(folio: 3)
    #expect(pagemap.counts(folio: 3).refcount == 1024 && pagemap.maybePinned(folio: 3))
  }

  /// Catches a legacy gup that reaches pages of a device which is going, and a pagemap reference that
  /// outlives the call.
  @Test(arguments: legacy)
  func `RC-23: a legacy pagemap that was killed gives gup no page`(regime: RefcountRegime) {
    let pagemap = Self.fsDax(regime)
    #expect(pagemap.grab(folio: 3, pinned: false) == .taken)
    #expect(pagemap.references == 1024)
    let used = pagemap.counts(folio: 5)
    pagemap.kill()
    let dying = pagemap.counts(folio: 5)
    #expect(pagemap.grab(folio: 5, pinned: true) == .dying)
    #expect(pagemap.counts(folio: 5) == dying)
    // Up to 5.17 the end takes the pages' own references with it.
    #expect(dying.refcount == (regime == .managed ? 0 : used.refcount))
  }

  /// Catches an idle reference of device-dax that is given away with the last mapping.
  @Test func `RC-26: a landed device-dax page rises to 4 and falls to 1, and nobody is told`() {
    let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base, regime: .landed)
    for _ in 0..<3 { pagemap.map(folio: 2) }
    #expect(pagemap.counts(folio: 2) == Self.counts(4, 3))
    for _ in 0..<3 {
      pagemap.removeRmap(folio: 2)
      #expect(pagemap.put(folio: 2) == .keeps)
    }
    #expect(pagemap.counts(folio: 2) == Self.counts(1))
  }

  /// Catches a pin that version 5.10 does not wait for.
  @Test func `RC-31: up to 5_17 the end of the memory map waits for a pinned page`() {
    let pagemap = Self.fsDax(.managed)
    pagemap.pin(folio: 3)
    pagemap.kill()
    #expect(pagemap.life == .dying && pagemap.references == 1)
    #expect(pagemap.counts(folio: 3) == Self.counts(1024))
    pagemap.unpin(folio: 3)
    #expect(pagemap.life == .dead && pagemap.counts(folio: 3) == Self.counts(0))
  }

  /// Catches a wait that the later kernels do not have.
  @Test(arguments: [RefcountRegime.legacy, .landed])
  func `RC-32: from 5_18 on the end of the memory map waits for no pin`(regime: RefcountRegime) {
    let pagemap = Self.fsDax(regime)
    pagemap.map(folio: 3)
    pagemap.pin(folio: 3)
    pagemap.kill()
    #expect(pagemap.life == .dead)
    #expect(pagemap.maybePinned(folio: 3))
  }
}

@Suite struct `folios of a pagemap` {
  static func pagemap() -> Pagemap {
    Pagemap(type: .fsDax, pageCount: 1 << 19, folioSize: .base, regime: .landed)
  }

  /// Catches a head that is lost, tails that stay, or a neighbour that is taken along.
  @Test(arguments: [PageSize.huge, .giant])
  func `are built and taken apart`(size: PageSize) {
    let pagemap = Self.pagemap()
    let head = Int(size.pages)
    #expect(pagemap.build(head: head, size))
    for page in [UInt64(head), UInt64(head) + 1, 2 * size.pages - 1] {
      #expect(pagemap.folio(ofPage: page) == head && pagemap.size(ofPage: page) == size)
    }
    #expect(pagemap.size(ofPage: size.pages - 1) == .base)
    if size == .huge { #expect(pagemap.size(ofPage: 2 * size.pages) == .base) }
    #expect(pagemap.flags(ofPage: UInt64(head) + 1).contains(.compoundTail))
    #expect(pagemap.split(head: head))
    for page in [UInt64(head), UInt64(head) + 1, 2 * size.pages - 1] {
      #expect(pagemap.folio(ofPage: page) == Int(page))
      #expect(pagemap.flags(ofPage: page) == .reserved)
    }
  }

  /// Catches a folio that swallows a page in use: what names the page would count on a tail.
  @Test func `are not built of pages in use`() {
    let pagemap = Self.pagemap()
    pagemap.get(folio: 700)
    #expect(!pagemap.build(head: 512, .huge))
    #expect(pagemap.folio(ofPage: 700) == 700)
    pagemap.put(folio: 700)
    #expect(pagemap.build(head: 512, .huge))
    #expect(pagemap.folio(ofPage: 700) == 512)
  }

  /// Catches pins that are lost with the shape, or a shape that is lost with the pins.
  @Test func `keep pins apart from shape`() {
    let pagemap = Self.pagemap()
    pagemap.build(head: 512, .huge)
    pagemap.map(folio: 512)
    #expect(pagemap.grab(folio: 512, pinned: true) == .taken)
    #expect(
      pagemap.counts(page: 512)
        == PageCounts(refcount: 2, mapcount: 1, pincount: 1, share: 0))
    #expect(pagemap.size(ofPage: 513) == .huge)
    #expect(pagemap.unpin(folio: 512) == .keeps)
    pagemap.unmap(folio: 512)
    #expect(pagemap.size(ofPage: 513) == .huge && pagemap.isIdle())
  }
}

@Suite struct `tasks that sleep until a folio is idle` {
  /// Catches a wake-up for another folio, one that is lost, and one that comes twice.
  @Test func `are woken in order, each once`() {
    var sleepers = IdleWaiters()
    sleepers.sleep(1, folio: 7)
    sleepers.sleep(2, folio: 7)
    sleepers.sleep(1, folio: 7)
    sleepers.sleep(3, folio: 8)
    let woken = [6, 7, 7].map { sleepers.wake(folio: $0) }
    #expect(woken == [[], [1, 2], []] && sleepers[8] == [3])
  }

  /// Catches a signal that wakes a neighbour.
  @Test func `end by a signal for one of them`() {
    var sleepers = IdleWaiters()
    for task in 1...3 as ClosedRange<UInt64> { sleepers.sleep(task, folio: 7) }
    let slept = [sleepers.interrupt(2), sleepers.interrupt(2)]
    #expect(slept == [true, false] && sleepers[7] == [1, 3])
    let woken = sleepers.wake(folio: 7)
    #expect(woken == [1, 3] && sleepers.isEmpty)
  }
}
