import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct `dirty tracking` {
  let machine = Machine()

  /// Catches stores after an fsync that the next one would not flush.
  @Test func `FT-17: after fsync the next store faults again`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.write(0, 1)
    opened.read(0, 2)
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.flushed == [0..<1])
    #expect(!opened.mapping.entries.isDirty(0))
    #expect(opened.mapping.entry(of: 1, at: Machine.start)?.isWritable == false)
    opened.write(0, 1)
    #expect(opened.mapping.entries.isDirty(0))
    #expect(opened.counts(64).refcount == 2)
  }

  /// Catches an fsync that cleans one page of a huge entry and leaves the rest writable without
  /// notice.
  @Test func `FT-18: fsync of 4 KiB flushes and cleans the whole dirty huge entry`() {
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map()
    opened.write(700)
    #expect(opened.mapping.writeback(513..<514) == .done)
    #expect(opened.flushed == [512..<1024])
    #expect(opened.mapping.entry(of: 1, at: opened.address(900))?.isWritable == false)
    #expect(!opened.mapping.entries.isDirty(700))
  }

  /// Catches a mark that stays where the device needs no flush.
  @Test func `FT-19: without a write cache nothing is flushed and the marks go`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    opened.mapping.flushesCaches = false
    opened.write(0)
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.flushed.isEmpty)
    #expect(!opened.mapping.entries.isDirty(0))
  }

  /// Catches a flush that nobody waits for.
  @Test func `FT-20: MS_ASYNC flushes nothing and the mark stays`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    opened.write(0)
    #expect(opened.mapping.writeback(0..<4, waits: false) == .done)
    #expect(opened.flushed.isEmpty)
    #expect(opened.mapping.entries.isDirty(0))
  }

  /// Catches a MAP_SYNC store that is allowed before the metadata is safe, or a mark that is set
  /// too early.
  @Test func `FT-21: a MAP_SYNC store waits for the metadata, then the entry is dirty`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map(isSynchronous: true)
    opened.file.isDirty = true
    #expect(opened.attempt(.base, 0, write: true) == .needsSync(.base))
    #expect(!opened.isPresent(0))
    #expect(!opened.mapping.entries.isDirty(0))
    #expect(
      opened.write(0)
        == .mapped(FilePTE(.block(64), .base, isWritable: true, isDirty: true), isMajor: false))
    #expect(opened.file.syncs == 1)
    #expect(opened.mapping.entries.isDirty(0))
    // Nothing to bring to the log: an ordinary fault.
    opened.write(1)
    #expect(opened.file.syncs == 1)
  }

  /// Catches a store that goes on although its metadata is lost.
  @Test func `FT-22: a MAP_SYNC store whose fsync fails is SIGBUS`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map(isSynchronous: true)
    opened.file.isDirty = true
    opened.file.syncFails = true
    #expect(opened.write(0) == .fatal(.addressError(Machine.start)))
    #expect(!opened.isPresent(0))
  }

  /// Catches 6.1's needless flushes given to the others, or not to it.
  @Test(arguments: KernelBehavior.allCases)
  func `FT-27: only 6_1 marks what was read as dirty`(kernel: KernelBehavior) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.read(0)
    #expect(opened.mapping.entries.isDirty(0) == (kernel == .v6_1))
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.flushed == (kernel == .v6_1 ? [0..<1] : []))
  }

  /// Catches a mark that outlives its entry, and an entry let go with unflushed stores.
  @Test(arguments: KernelBehavior.allCases)
  func `BL-14: invalidation leaves a dirty entry and unmaps it anyway`(
    kernel: KernelBehavior
  ) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.write(0)
    #expect(!opened.mapping.invalidate(0..<4))
    #expect(opened.mapping.entries[0] == DaxEntry(.block(64), .base))
    #expect(opened.mapping.entries.isDirty(0))
    #expect(!opened.isPresent(0))
    #expect(opened.mapping.writeback(0..<4) == .done)
    #expect(opened.mapping.invalidate(0..<4))
    #expect(opened.mapping.entries.isEmpty)
  }

  /// Catches a writeback that runs over an entry in use.
  @Test func `writeback waits for a locked entry`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    opened.write(0)
    _ = opened.mapping.lockEntry(0, .base, task: 1)
    #expect(opened.mapping.writeback(0..<4) == .waits(page: 0))
    opened.mapping.unlockEntry(0)
    #expect(opened.mapping.writeback(0..<4) == .done)
  }
}
