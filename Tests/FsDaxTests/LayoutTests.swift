import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct `breaking layouts` {
  static let legacy: [KernelBehavior] = [.v6_1, .v6_12]

  /// Catches a truncate that frees a block under DMA.
  @Test(arguments: legacy)
  func `BL-01: legacy waits for a pinned page until its refcount is 1`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    machine.pagemap.pin(folio: 67)
    #expect(
      opened.mapping.breakLayouts()
        == .waitsForIdle(block: 67, wakesAt: 1, isInterruptible: true))
    #expect(!opened.isPresent(3))
    #expect(!opened.mapping.wakes(refcount: 1025))
    machine.pagemap.unpin(folio: 67)
    #expect(opened.mapping.wakes(refcount: opened.counts(67).refcount))
    #expect(opened.mapping.breakLayouts() == .done)
    #expect(opened.mapping.entries[3] != nil)
  }

  /// Catches the newer kernels' wait given to the legacy ones: they look at windows first.
  @Test(arguments: legacy)
  func `BL-02: legacy does not wait for a pin whose window is gone`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    machine.pagemap.pin(folio: 67)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.mapping.breakLayouts() == .done)
  }

  /// Catches a pin that is missed because nothing maps the page any more.
  @Test func `BL-03: landed waits for a pin whose window is gone, until its refcount is 0`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    machine.pagemap.get(folio: 67)
    opened.mapping.unmapAll(process: 1)
    #expect(
      opened.mapping.breakLayouts()
        == .waitsForIdle(block: 67, wakesAt: 0, isInterruptible: true))
    machine.pagemap.put(folio: 67)
    #expect(opened.mapping.breakLayouts() == .done)
  }

  /// Catches a truncate that a signal cannot end, or one that leaves half of its work.
  @Test func `BL-04: a signal ends the wait and the entries are as they were`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    for page in 0..<10 as Range<UInt64> { opened.read(page) }
    machine.pagemap.pin(folio: 67)
    guard case .waitsForIdle(_, _, isInterruptible: true) = opened.mapping.breakLayouts() else {
      Issue.record("it does not wait, or not for signals")
      return
    }
    #expect(opened.mapping.entries.heads(in: 0..<10).count == 10)
  }

  /// Catches a sleep with two files locked.
  @Test func `BL-05: whoever may not sleep begins again`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    machine.pagemap.pin(folio: 67)
    #expect(opened.mapping.breakLayouts(maySleep: false) == .restart)
    machine.pagemap.unpin(folio: 67)
    #expect(opened.mapping.breakLayouts(maySleep: false) == .done)
  }

  /// Catches entries that survive a landed kernel's punch, or pages that stay mapped.
  @Test func `BL-06: landed removes every page and every entry for one punched page`() {
    let opened = Machine(.v7_2).file(1, pages: 10, block: 64)
    opened.map()
    for page in 0..<10 as Range<UInt64> { opened.read(page) }
    #expect(opened.mapping.breakLayouts() == .done)
    opened.mapping.punchPages(3..<4)
    #expect(opened.mapping.entries.isEmpty)
    #expect(!opened.isPresent(0))
    #expect(opened.warnings.isEmpty)
  }

  /// Catches the landed rule given to the legacy kernels.
  @Test(arguments: legacy)
  func `BL-07: legacy removes every page and one entry`(kernel: KernelBehavior) {
    let opened = Machine(kernel).file(1, pages: 10, block: 64)
    opened.map()
    for page in 0..<10 as Range<UInt64> { opened.read(page) }
    #expect(opened.mapping.breakLayouts() == .done)
    opened.mapping.punchPages(3..<4)
    #expect(opened.mapping.entries.heads(in: 0..<10) == [0, 1, 2, 4, 5, 6, 7, 8, 9])
    #expect(!opened.isPresent(0))
  }

  /// Catches an inode that goes while its block is under DMA.
  @Test func `BL-08: landed waits for a pin when the inode goes, and no signal ends that`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    machine.pagemap.pin(folio: 67)
    opened.mapping.unmapAll(process: 1)
    #expect(
      opened.mapping.evict() == .waitsForIdle(block: 67, wakesAt: 0, isInterruptible: false))
    #expect(opened.mapping.entries[3] != nil)
    machine.pagemap.unpin(folio: 67)
    #expect(opened.mapping.evict() == .done)
    #expect(opened.mapping.entries.isEmpty)
    #expect(machine.folios.count == 0)
  }

  /// Catches a legacy kernel that is better than it was.
  @Test(arguments: legacy)
  func `BL-09: legacy lets the inode go under a pin, with a warning`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    machine.pagemap.pin(folio: 67)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.mapping.evict() == .done)
    #expect(opened.warnings == [.truncatedInUse(block: 67)])
    #expect(opened.mapping.entries.isEmpty)
    machine.pagemap.unpin(folio: 67)
  }

  /// Catches a truncate that leaves an entry, or one that warns each time.
  @Test func `BL-11: landed truncation that meets an entry warns once and deletes it`() {
    let opened = Machine(.v7_2).file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    opened.read(4)
    opened.mapping.truncatePages(from: 4)
    opened.mapping.truncatePages(from: 0)
    #expect(opened.warnings == [.entryAtTruncate(page: 4)])
    #expect(opened.mapping.entries.isEmpty)
  }

  /// Catches a wait for a page that is not where the references are.
  @Test func `BL-12: a pin through a small entry is waited for at the folio's head`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map()
    opened.read(0)
    machine.pagemap.get(folio: Int(machine.folios.head(of: 700)))
    #expect(
      opened.mapping.breakLayouts()
        == .waitsForIdle(block: 512, wakesAt: 0, isInterruptible: true))
    machine.pagemap.put(folio: 512)
  }

  /// Catches a model that is kinder than the kernel: what was stored is forgotten with the entry
  /// (inferred, N1).
  @Test func `BL-13: landed forgets stores to pages that were not punched`() {
    let opened = Machine(.v7_2).file(1, pages: 10, block: 64)
    opened.map()
    opened.write(5)
    #expect(opened.mapping.breakLayouts() == .done)
    opened.mapping.punchPages(3..<4)
    #expect(opened.mapping.writeback(0..<10) == .done)
    #expect(opened.flushed.isEmpty)
  }

  /// Catches a scan that runs past an entry in use, where the kernel waits, and one that waits
  /// where it does not.
  @Test(arguments: KernelBehavior.allCases)
  func `a locked entry is waited for by the landed kernels only`(kernel: KernelBehavior) {
    let opened = Machine(kernel).file(1, pages: 10, block: 64)
    opened.map()
    opened.read(3)
    _ = opened.mapping.lockEntry(3, .base, task: 1)
    #expect(
      opened.mapping.breakLayouts() == (kernel == .v7_2 ? .waitsForEntry(page: 3) : .done))
  }
}
