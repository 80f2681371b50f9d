import DaxModel
import PmemBase
import Testing

@Suite struct `copy on write` {
  /// Catches a store that reaches the other file, an entry that keeps the old block, or a missing
  /// TOWRITE mark.
  @Test(arguments: KernelBehavior.allCases)
  func `FT-28: a store to a shared page gets a copy in a block of its own`(
    kernel: KernelBehavior
  ) {
    let machine = Machine(kernel)
    let one = machine.file(1, pages: 4, block: 64)
    let other = machine.file(2, pages: 4, block: 64)
    one.file.shared = [64, 65, 66, 67]
    other.file.shared = one.file.shared
    one.map(1)
    other.map(2)
    one.read(1, 1)
    other.read(1, 2)
    one.write(1, 1)
    #expect(one.file.copies == [.blocks(from: 65)])
    #expect(one.mapping.entries[1] == DaxEntry(.block(2048), .base))
    #expect(one.mapping.entries.isToWrite(1))
    #expect(one.mapping.entries.isDirty(1))
    #expect(other.mapping.entries[1] == DaxEntry(.block(65), .base))
    #expect(other.isPresent(1, 2))
  }

  /// Catches a store that succeeds on a copy of nothing, and a file that lost its page with it.
  @Test(arguments: KernelBehavior.allCases)
  func `FT-29: a source that cannot be read is SIGBUS, and the file keeps its block`(
    kernel: KernelBehavior
  ) {
    let machine = Machine(kernel)
    let opened = machine.file(1, pages: 4, block: 64)
    opened.file.shared = [64, 65, 66, 67]
    opened.map()
    opened.read(1)
    opened.file.bad = [65]
    #expect(opened.write(1) == .fatal(.addressError(opened.address(1))))
    #expect(opened.file.blocks[1]?.number == 65)
    #expect(!opened.isPresent(1))
    // The kernel has replaced the entry by then.
    #expect(opened.mapping.entries[1] == DaxEntry(.block(2048), .base))
  }

  /// Catches two readers of a shared page who keep it at the same time, which no kernel after 6.1
  /// allows.
  @Test(arguments: KernelBehavior.allCases)
  func `OW-14: a fault on a shared page removes it from the file's other processes`(
    kernel: KernelBehavior
  ) {
    let opened = Machine(kernel).file(1, pages: 4, block: 64)
    opened.file.shared = [64, 65, 66, 67]
    opened.map(1)
    opened.map(2, at: 0x9000_0000)
    opened.read(3, 1)
    opened.read(3, 2)
    #expect(opened.isPresent(3, 1) == (kernel == .v6_1))
    #expect(opened.isPresent(3, 2))
  }

  /// Catches an index that counts a small entry for a huge one, and loses pages or its balance when the file ends.
  @Test(arguments: KernelBehavior.allCases)
  func `a store to one page of a huge shared entry leaves nothing of that entry`(
    kernel: KernelBehavior
  ) {
    let opened = Machine(kernel).file(1, pages: 512, block: 512)
    opened.file.shared = Set(512..<1024)
    opened.map()
    opened.read(7)
    #expect(opened.mapping.entries[9] == DaxEntry(.block(512), .huge))
    opened.write(8)
    #expect(opened.file.copies == [.blocks(from: 520)])
    #expect(opened.mapping.entries[8]?.size == .base)
    #expect(opened.mapping.entries[9] == nil && !opened.isPresent(9))
    #expect(opened.mapping.entries.pageCount == 1)
    opened.read(9)
    #expect(opened.mapping.entries[9] == DaxEntry(.block(521), .base))
    opened.mapping.unmapAll(process: 1)
    opened.mapping.truncatePages(from: 0)
    #expect(opened.mapping.entries.isEmpty && opened.mapping.entries.pageCount == 0)
  }
}
