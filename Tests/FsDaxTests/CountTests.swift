import DaxModel
import PageModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `a file page's counts` {
  static let legacy: [KernelBehavior] = [.v6_1, .v6_12]

  private func counts(
    _ refcount: UInt32, _ mapcount: UInt32 = 0, pins: UInt32 = 0
  ) -> PageCounts {
    PageCounts(refcount: refcount, mapcount: mapcount, pincount: pins, share: 0)
  }

  /// Catches a legacy mapping that is counted, or that leaves no trace in file and page.
  @Test(arguments: legacy)
  func `RC-05: a legacy read fault makes an entry and moves no count`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(9, pages: 4, block: 64)
    opened.map()
    opened.read(2)
    #expect(opened.isPresent(2))
    #expect(opened.counts(66) == counts(1))
    #expect(!machine.pagemap.regime.chargesResidentSet)
    #expect(opened.mapping.entries[2] == DaxEntry(.block(66), .base))
    #expect(machine.folios[66] == FolioOwner(mapping: .file(9), word: 2, size: .base))
  }

  /// Catches an entry without a reference, a mapcount or a charge.
  @Test func `RC-06: a landed read fault is one reference, one mapcount, one page of RSS`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(9, pages: 4, block: 64)
    opened.map()
    opened.read(2)
    #expect(opened.counts(66) == counts(1, 1))
    #expect(machine.pagemap.regime.chargesResidentSet)
    #expect(opened.mapping.windows[0].devicePages == 1)
  }

  /// Catches an entry of the proposal that holds nothing, or is counted as a mapping.
  @Test(arguments: [RefcountRegime.proposal2, .proposal3])
  func `RC-07: the proposal's fault is a reference of page and pagemap, and no mapcount`(
    regime: RefcountRegime
  ) {
    let machine = Machine(.v6_1, regime: regime)
    let opened = machine.file(9, pages: 4, block: 64)
    opened.map()
    let before = machine.pagemap.references
    opened.read(2)
    #expect(opened.counts(66) == counts(1))
    #expect(machine.pagemap.references == before + 1)
  }

  /// Catches a second process that gets an entry of its own, or shares the first one's reference.
  @Test func `RC-08: a second landed process adds a reference and a mapcount`() {
    let opened = Machine(.v7_2).file(1, pages: 4, block: 64)
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.read(0, 1)
    let entry = opened.mapping.entries[0]
    opened.read(0, 2)
    #expect(opened.counts(64) == counts(2, 2))
    #expect(opened.mapping.entries[0] == entry && opened.mapping.entries.pageCount == 1)
  }

  /// Catches a second process that is counted where entries of the file are what counts.
  @Test(arguments: [
    RefcountRegime.managed, .legacy, .proposal1, .proposal2, .proposal3,
  ])
  func `RC-09: a second process changes nothing before the landed regime`(
    regime: RefcountRegime
  ) {
    let machine = Machine(.v6_1, regime: regime)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.read(0, 1)
    let before = (opened.counts(64), machine.pagemap.references)
    opened.read(0, 2)
    #expect(opened.isPresent(0, 2))
    #expect(opened.counts(64) == before.0 && machine.pagemap.references == before.1)
  }

  /// Catches 512 references for one entry, or a tail that says it is a folio of its own.
  @Test func `RC-10: a landed huge fault builds a folio with one reference and one mapcount`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map()
    opened.read(0)
    #expect(opened.counts(512) == counts(1, 1))
    #expect(opened.mapping.windows[0].devicePages == 512)
    for page in [512, 513, 1023] as [UInt64] {
      #expect(machine.pagemap.folio(ofPage: page) == 512)
      #expect(machine.pagemap.size(ofPage: page).order == 9)
    }
    #expect(machine.pagemap.flags(ofPage: 513).contains(.compoundTail))
  }

  /// Catches a small entry in a huge folio that is counted by itself, or that takes the file's entry
  /// apart.
  @Test func `RC-11: a small entry inside a huge folio counts on the folio`() {
    let opened = Machine(.v7_2).file(1, pages: 512, block: 512)
    opened.map(1)
    opened.map(2, at: 0x9000_0000, allowsHuge: false)
    opened.read(0, 1)
    opened.read(7, 2)
    #expect(opened.counts(512) == counts(2, 2))
    #expect(opened.counts(519) == counts(0))
    #expect(opened.mapping.entries[7]?.size == .huge)
  }

  /// Catches a reference that is dropped before the flush, a wake-up that comes early or not at all, and
  /// an entry that goes with its mapping.
  @Test func `RC-12: landed munmap clears, flushes, drops the last reference and wakes`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(9, pages: 4, block: 64)
    opened.map()
    opened.read(2)
    #expect(opened.idle.isEmpty)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.steps == [.clear(2), .removeRmap(2), .unlock, .flush, .put(2)])
    #expect(opened.idle == [66])
    #expect(opened.counts(66) == counts(0))
    #expect(opened.mapping.entries[2] == DaxEntry(.block(66), .base))
    #expect(machine.folios[66] == FolioOwner(mapping: .file(9), word: 2, size: .base))
  }

  /// Catches a folio that is taken apart when its last mapping goes, and not with its entry; and one that
  /// is not taken apart then.
  @Test func `RC-13: a landed huge folio outlives its mappings and goes with its entry`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map()
    opened.read(0)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.counts(512) == counts(0))
    #expect(machine.pagemap.folio(ofPage: 519) == 512)
    #expect(machine.pagemap.size(ofPage: 519) == .huge)
    #expect(opened.mapping.entries[7]?.size == .huge)
    #expect(opened.mapping.breakLayouts() == .done)
    #expect(machine.pagemap.folio(ofPage: 519) == 519 && opened.warnings.isEmpty)
  }

  /// Catches a legacy munmap that gives back what no fault took.
  @Test(arguments: legacy)
  func `RC-14: legacy munmap clears and flushes, and wakes nobody`(kernel: KernelBehavior) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.write(2)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.steps == [.clear(2), .unlock, .flush])
    #expect(opened.counts(66) == counts(1) && opened.idle.isEmpty)
  }

  /// Catches a wake-up at a refcount of 1, which is the legacy kernels'.
  @Test func `RC-16: a landed page wakes at 0, and not at 1`() throws {
    let opened = Machine(.v7_2).file(1, pages: 4, block: 64)
    opened.map()
    let use = try opened.take(0)
    #expect(opened.counts(64) == counts(2, 1))
    opened.mapping.unmapAll(process: 1)
    #expect(opened.counts(64) == counts(1) && opened.idle.isEmpty)
    #expect(opened.mapping.release(use) == .wakes)
    #expect(opened.counts(64) == counts(0) && opened.idle == [64])
  }

  /// Catches a bias on a large folio, or a pin on its tail.
  @Test func `RC-18: a pin of a page in a huge folio is one reference and one pin of the folio`()
    throws
  {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map()
    let use = try opened.take(7, 1, .pin)
    #expect(opened.counts(512) == counts(2, 1, pins: 1))
    #expect(machine.pagemap.maybePinned(folio: 512))
    opened.mapping.release(use)
    #expect(opened.counts(512) == counts(1, 1))
    #expect(!machine.pagemap.maybePinned(folio: 512))
  }

  /// Catches a long-term pin that a filesystem would wait for without end.
  @Test(arguments: KernelBehavior.allCases)
  func `RC-19: a long-term pin of a file page is EOPNOTSUPP and counts nothing`(
    kernel: KernelBehavior
  ) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.read(0)
    let before = opened.counts(64)
    let request = GupRequest(isWrite: true, isPin: true, isLongterm: true)
    #expect(opened.gup(0, 1, request) == .refused(.notSupported))
    #expect(opened.counts(64) == before)
    // Another mapping's page, never touched: nothing is faulted in either.
    #expect(opened.gup(1, 1, request) == .refused(.notSupported) && !opened.isPresent(1))
  }

  /// Catches a page that comes back to life by a reference, and a slow path that gives up.
  @Test func `RC-22: gup of an entry that has gone finds 0 and faults instead`() throws {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    opened.read(0)
    opened.mapping.zap(process: 1, addresses: Machine.start..<Machine.start + 4096)
    // What gup-fast does with the copy of the entry that it has read before.
    #expect(machine.pagemap.grab(folio: 64, pinned: false) == .unused)
    #expect(machine.pagemap.grab(folio: 64, pinned: true) == .unused)
    #expect(opened.counts(64) == counts(0))
    #expect(try opened.take(0).folio == 64)
    #expect(opened.isPresent(0) && opened.counts(64) == counts(2, 1))
  }

  /// Catches the pagemap's death that gup of a file does not notice.
  @Test(arguments: legacy)
  func `RC-23: legacy gup of a file on a device that goes is EFAULT`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    opened.read(0)
    machine.pagemap.kill()
    #expect(opened.gup(0) == .refused(.badAddress))
    #expect(opened.counts(64) == counts(1))
  }

  /// Catches the fault's own reference that is not given back, and a second count for one entry.
  @Test func `RC-24: a fault that finds the entry there leaves the counts as they were`() {
    let opened = Machine(.v7_2).file(1, pages: 512, block: 512)
    opened.map(1)
    opened.map(2, at: 0x9000_0000, allowsHuge: false)
    opened.read(0, 1)
    opened.read(7, 2)
    let before = opened.counts(512)
    #expect(opened.attempt(.base, 7, 2) == .noPage(isMajor: false))
    #expect(opened.attempt(.huge, 7, 1) == .noPage(isMajor: false))
    #expect(opened.counts(512) == before && opened.idle.isEmpty)
  }

  /// Catches zero pages that are counted.
  @Test func `RC-25: zero pages hold nothing`() {
    let machine = Machine(.v7_2)
    let opened = machine.hole(1, pages: 4)
    opened.map()
    opened.read(0)
    #expect(opened.isPresent(0))
    #expect(machine.pagemap.mappedFolios() == 0)
    #expect(machine.pagemap.isIdle())
    #expect(opened.mapping.windows[0].devicePages == 0)
  }

  /// Catches a child without the entries that the parent's copies bring along, one whose entries are not
  /// counted, and a shared mapping that is copied.
  @Test func `RC-27: fork copies the entries of a private mapping with copies, and counts them`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 4, block: 64)
    let other = machine.file(2, pages: 4, block: 128)
    opened.map(1, isShared: false, allowsHuge: false)
    other.map(1)
    opened.write(0, 1)
    opened.read(1, 1)
    other.read(1, 1)
    #expect(opened.counts(65) == counts(1, 1))
    opened.mapping.fork(process: 1, child: 2)
    other.mapping.fork(process: 1, child: 2)
    #expect(opened.isPresent(1, 2) && opened.counts(65) == counts(2, 2))
    #expect(!other.isPresent(1, 2) && other.counts(129) == counts(1, 1))
    // Without a private copy nothing is copied.
    opened.mapping.unmapAll(process: 2)
    #expect(opened.counts(65) == counts(1, 1))
  }
}
