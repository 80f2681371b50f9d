import DaxModel
import PageModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `small faults` {
  let machine = Machine()

  /// Catches a mapping of what the file does not have.
  @Test func `FT-01: behind the end of the file is SIGBUS BUS_ADRERR`() {
    let opened = machine.file(1, pages: 2, block: 64)
    opened.map()
    opened.file.size = 4097
    #expect(opened.read(1) == .mapped(FilePTE(.block(65), .base), isMajor: false))
    opened.mapping.truncatePages(from: 1)
    opened.file.size = 4096
    #expect(opened.read(1) == .fatal(.addressError(Machine.start + 4096)))
  }

  /// Catches blocks that are allocated by reading.
  @Test func `FT-02: a hole that is read is the zero page and takes no block`() {
    let opened = machine.hole(1, pages: 4)
    opened.map()
    #expect(opened.read(2) == .mapped(FilePTE(.zero, .base), isMajor: false))
    #expect(opened.mapping.entries[2] == DaxEntry(.zero, .base))
    #expect(opened.file.blocks.isEmpty)
    #expect(opened.mapping.windows[0].devicePages == 0)
  }

  /// Catches a process that goes on reading zeroes from where another one has written.
  @Test func `FT-03: the first store to a hole removes every zero page and is a major fault`() {
    let opened = machine.hole(1, pages: 4)
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.read(2, 1)
    opened.read(2, 2)
    #expect(
      opened.write(2, 1)
        == .mapped(
          FilePTE(.block(2048), .base, isWritable: true, isDirty: true), isMajor: true))
    #expect(!opened.isPresent(2, 2))
    #expect(opened.mapping.entries[2] == DaxEntry(.block(2048), .base))
    #expect(opened.read(2, 2) == .mapped(FilePTE(.block(2048), .base), isMajor: false))
  }

  /// Catches a bad block that is mapped all the same, or a signal without the code that says so.
  @Test(arguments: [KernelBehavior.v6_12, .v7_2])
  func `FT-12: a bad block is SIGBUS BUS_MCEERR_AR at the touched byte`(
    kernel: KernelBehavior
  ) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map()
    opened.file.bad = [65]
    let address = Machine.start + 4096 + 77
    #expect(
      opened.mapping.fault(process: 1, address: address, write: false)
        == .fatal(.memoryError(address)))
    #expect(
      opened.mapping.fault(process: 1, address: address, write: true)
        == .fatal(.memoryError(address)))
    #expect(!opened.isPresent(1))
  }

  /// Catches the newer kernels' answer given by 6.1.
  @Test func `FT-13: in 6_1 a bad block is SIGBUS BUS_ADRERR`() {
    let opened = Machine(.v6_1).file(1, pages: 4, block: 64)
    opened.map()
    opened.file.bad = [65]
    #expect(opened.read(1) == .fatal(.addressError(Machine.start + 4096)))
  }

  /// Catches a private store that reaches the file, or holds the device's page.
  @Test func `FT-14: a private store copies and leaves the device's counts alone`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map(1)
    opened.read(2, 1)
    let before = opened.counts(66)
    opened.map(2, at: 0x9000_0000, isShared: false)
    #expect(opened.write(2, 2) == .copied(.blocks(from: 66)))
    #expect(opened.mapping.entry(of: 2, at: opened.address(2, 2))?.isCopy == true)
    #expect(opened.counts(66) == before)
    #expect(opened.mapping.entries[2] == DaxEntry(.block(66), .base))
    #expect(!opened.mapping.entries.isDirty(2))
    // What was read before it is written gives its page back.
    opened.read(3, 2)
    #expect(opened.counts(67).mapcount == 1)
    #expect(opened.write(3, 2) == .copied(.blocks(from: 67)))
    #expect(opened.counts(67).refcount == 0)
    // Zapping the file's pages leaves copies; truncating does not.
    opened.mapping.unmapPages(0..<4)
    #expect(opened.isPresent(3, 2))
    opened.mapping.unmapPages(0..<4, evenCopies: true)
    #expect(!opened.isPresent(3, 2))
  }

  /// Catches a private copy of what cannot be read.
  @Test(arguments: KernelBehavior.allCases)
  func `FT-15: a private store to a bad page fails in the copy`(kernel: KernelBehavior) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.map(isShared: false)
    opened.file.bad = [64]
    let signal: FaultSignal =
      kernel == .v6_1 ? .addressError(Machine.start) : .memoryError(Machine.start)
    #expect(opened.write(0) == .fatal(signal))
    #expect(!opened.isPresent(0))
  }

  /// Catches a store that no fsync would flush, and a reference taken twice for one entry.
  @Test func `FT-16: the first store after a read faults again and marks the entry`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    #expect(opened.read(0) == .mapped(FilePTE(.block(64), .base), isMajor: false))
    let before = opened.counts(64)
    #expect(!opened.mapping.entries.isDirty(0))
    #expect(
      opened.write(0)
        == .mapped(FilePTE(.block(64), .base, isWritable: true, isDirty: true), isMajor: false))
    #expect(opened.counts(64) == before)
    #expect(opened.mapping.entries.isDirty(0))
    #expect(opened.write(0) == .present(opened.mapping.entry(of: 1, at: Machine.start)!))
  }

  /// Catches two associations, or none, when two threads meet at an absent page.
  @Test func `FT-24: the second of two threads waits for the entry, and one owner is noted`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map()
    let (grab, _) = opened.mapping.lockEntry(0, .base, task: 1)
    #expect(grab == .locked(DaxEntry(.empty, .base)))
    #expect(
      opened.mapping.fault(process: 1, address: Machine.start, write: false, task: 2)
        == .waits(page: 0))
    opened.mapping.unlockEntry(0)
    #expect(opened.events.contains(.woken([2])))
    #expect(opened.read(0) == .mapped(FilePTE(.block(64), .base), isMajor: false))
    #expect(opened.counts(64).refcount == 1)
    #expect(machine.folios[64] == FolioOwner(mapping: .file(1), word: 0, size: .base))
    #expect(opened.warnings.isEmpty)
  }

  /// Catches a small entry put over a huge one that came first.
  @Test func `FT-26: a huge entry that came first makes the small fault try again`() {
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map()
    opened.read(0)
    #expect(opened.attempt(.base, 7) == .noPage(isMajor: false))
    #expect(opened.mapping.entry(of: 1, at: opened.address(7))?.size == .huge)
    #expect(opened.counts(512).mapcount == 1)
  }

  /// Catches stores allowed where the window is not writable.
  @Test func `a store that the window does not allow is SEGV_ACCERR`() {
    let opened = machine.file(1, pages: 1, block: 64)
    opened.map()
    opened.mapping.protect(process: 1, addresses: Machine.start..<Machine.start + 4096, .read)
    #expect(opened.read(0) == .mapped(FilePTE(.block(64), .base), isMajor: false))
    #expect(opened.write(0) == .fatal(.accessError(Machine.start)))
    #expect(
      opened.mapping.fault(process: 1, address: 0x1000, write: false) == .unmapped)
  }

  /// Catches MAP_SYNC taken or refused where the flag is not looked at.
  @Test func `FT-23: MAP_SYNC counts with MAP_SHARED_VALIDATE only`() throws {
    #expect(try !FileMapRules.isSynchronous(.shared, hasFlag: true, isDax: false))
    #expect(try FileMapRules.isSynchronous(.sharedValidate, hasFlag: true, isDax: true))
    #expect(try !FileMapRules.isSynchronous(.private, hasFlag: true, isDax: true))
    #expect(throws: Errno.notSupported) {
      try FileMapRules.isSynchronous(.sharedValidate, hasFlag: true, isDax: false)
    }
  }

  /// Catches a child that starts with pages it has not touched, or without the copies it inherits.
  @Test func `fork copies entries only beside private copies`() {
    let opened = machine.file(1, pages: 4, block: 64)
    opened.map(1)
    opened.map(2, at: 0x9000_0000, isShared: false)
    opened.read(0, 1)
    opened.mapping.fork(process: 1, child: 3)
    #expect(!opened.isPresent(0, 3))
    opened.read(0, 2)
    opened.write(1, 2)
    opened.mapping.fork(process: 2, child: 4)
    #expect(opened.isPresent(0, 4))
    #expect(opened.isPresent(1, 4))
    #expect(opened.counts(64).mapcount == 3)
    opened.mapping.unmapAll(process: 4)
    opened.mapping.unmapAll(process: 2)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.counts(64).refcount == 0)
    #expect(opened.events.contains(.idle(block: 64)))
  }
}
