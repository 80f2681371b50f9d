import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct `a file page's counts` {
  static let legacy: [KernelBehavior] = [.v6_1, .v6_12]

  /// Catches a legacy mapping that is counted.
  @Test(arguments: legacy)
  func `RC-05, RC-09, RC-14: legacy entries move no count`(kernel: KernelBehavior) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.read(0, 1)
    opened.read(0, 2)
    #expect(opened.counts(64).refcount == 1)
    #expect(opened.counts(64).mapcount == 0)
    opened.mapping.unmapAll(process: 1)
    opened.mapping.unmapAll(process: 2)
    #expect(opened.counts(64).refcount == 1)
    #expect(!opened.events.contains(.idle(block: 64)))
  }

  /// Catches an entry without a reference, or one that is not given back.
  @Test func `RC-06, RC-08, RC-12: each landed entry holds a reference until munmap`() {
    let opened = Machine(.v7_2).file(1, pages: 4, block: 64)
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.read(0, 1)
    #expect(opened.counts(64).refcount == 1)
    opened.read(0, 2)
    #expect(opened.counts(64).refcount == 2)
    #expect(opened.counts(64).mapcount == 2)
    #expect(opened.counts(64).share == 0)
    opened.mapping.unmapAll(process: 1)
    #expect(!opened.events.contains(.idle(block: 64)))
    opened.mapping.unmapAll(process: 2)
    #expect(opened.events.contains(.idle(block: 64)))
    #expect(opened.counts(64).refcount == 0)
    #expect(opened.mapping.entries[0] == DaxEntry(.block(64), .base))
  }

  /// Catches 512 references for one entry, or a tail that is counted by itself.
  @Test func `RC-10, RC-11, RC-13: a huge folio counts entries at its head and outlives them`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map(1)
    opened.map(2, at: 0x9000_0000, allowsHuge: false)
    opened.read(0, 1)
    #expect(opened.counts(512).refcount == 1)
    opened.read(7, 2)
    #expect(opened.counts(512).refcount == 2)
    #expect(opened.counts(519).refcount == 0)
    opened.mapping.unmapAll(process: 1)
    opened.mapping.unmapAll(process: 2)
    #expect(opened.counts(512).refcount == 0)
    #expect(machine.folios.head(of: 519) == 512)
    #expect(opened.mapping.entries[7]?.size == .huge)
  }

  /// Catches zero pages that are counted.
  @Test func `RC-25: zero pages hold nothing`() {
    let machine = Machine(.v7_2)
    let opened = machine.hole(1, pages: 4)
    opened.map()
    opened.read(0)
    #expect(machine.pagemap.mappedFolios() == 0)
    #expect(machine.pagemap.isIdle())
    #expect(opened.mapping.windows[0].devicePages == 0)
  }
}
