import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct `huge faults` {
  let machine = Machine()

  /// Catches one entry that is counted as 512, or none.
  @Test func `map 2 MiB by one entry, one reference and one mapcount`() {
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map()
    #expect(opened.read(700) == .mapped(FilePTE(.block(1024), .huge), isMajor: false))
    #expect(opened.counts(1024).refcount == 1)
    #expect(opened.counts(1024).mapcount == 1)
    #expect(opened.mapping.windows[0].devicePages == 512)
    #expect(opened.mapping.entries.pageCount == 512)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.counts(1024).refcount == 0)
    #expect(machine.folios.head(of: 1100) == 1024)
  }

  /// Catches small zero pages, or memory charged, for a large hole.
  @Test func `FT-04: a hole of 2 MiB that is read is one huge zero page`() {
    let opened = machine.hole(1, pages: 512)
    opened.map()
    #expect(opened.read(7) == .mapped(FilePTE(.zero, .huge), isMajor: false))
    #expect(opened.mapping.entries[0] == DaxEntry(.zero, .huge))
    #expect(opened.mapping.windows[0].devicePages == 0)
  }

  /// Catches a huge zero entry that stays over a page with a block.
  @Test func `FT-05: a store to one page takes the huge zero page apart`() {
    let opened = machine.hole(1, pages: 512)
    opened.map()
    opened.read(7)
    #expect(opened.mapping.entries.pageCount == 512)
    guard case .mapped(let entry, isMajor: true) = opened.write(7) else {
      Issue.record("the store did not map a new page")
      return
    }
    #expect(entry.size == .base)
    #expect(opened.events.contains(.unmapped(0..<512)))
    #expect(opened.mapping.entries.pageCount == 1)
    #expect(opened.mapping.entries[7]?.size == .base)
    #expect(opened.mapping.entries[8] == nil)
    #expect(!opened.isPresent(8))
  }

  /// Catches a huge entry laid over a small one.
  @Test func `FT-06: a small entry in the range makes a huge fault fall back`() {
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map(1, allowsHuge: false)
    opened.map(2, at: 0x8000_0000)
    opened.read(9, 1)
    #expect(opened.attempt(.huge, 100, 2) == .fallback)
    #expect(opened.read(100, 2) == .mapped(FilePTE(.block(612), .base), isMajor: false))
    // Only when all of them are gone can there be a huge one again.
    opened.mapping.invalidate(0..<512)
    opened.mapping.unmapAll(process: 2)
    opened.map(2, at: 0x8000_0000)
    #expect(opened.read(100, 2) == .mapped(FilePTE(.block(512), .huge), isMajor: false))
  }

  /// Catches a huge entry that is split by a small fault, or a store in it that no fsync sees.
  @Test func `FT-07: a small store inside a huge entry leaves it huge and dirty`() {
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map(1)
    opened.map(2, at: 0x8000_0000, allowsHuge: false)
    opened.read(0, 1)
    opened.write(7, 2)
    #expect(opened.mapping.entries[7] == DaxEntry(.block(512), .huge))
    #expect(opened.mapping.entries.isDirty(0))
    #expect(
      opened.mapping.entry(of: 2, at: opened.address(7, 2))
        == FilePTE(.block(519), .base, isWritable: true, isDirty: true))
    #expect(opened.counts(512).refcount == 2)
    #expect(opened.counts(512).mapcount == 2)
    opened.mapping.unmapAll(process: 2)
    opened.mapping.unmapAll(process: 1)
    #expect(opened.counts(512).refcount == 0)
  }

  /// Catches a huge entry that shows other bytes than the file's.
  @Test func `FT-08: another place inside 2 MiB is mapped by small entries`() {
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map(at: Machine.start + 4096)
    #expect(opened.attempt(.huge, 600) == .fallback)
    #expect(opened.read(600) == .mapped(FilePTE(.block(1112), .base), isMajor: false))
  }

  /// Catches a huge entry that reaches past the file.
  @Test func `FT-09: a last block that the file does not fill is mapped by small entries`() {
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map()
    opened.file.size = 768 * 4096
    #expect(opened.attempt(.huge, 600) == .fallback)
    #expect(opened.read(600) == .mapped(FilePTE(.block(1112), .base), isMajor: false))
    #expect(opened.read(0) == .mapped(FilePTE(.block(512), .huge), isMajor: false))
    // Where even the first page of the 2 MiB is behind the end, smaller does not help.
    opened.file.size = 4096
    #expect(opened.attempt(.huge, 600) == .busError)
  }

  /// Catches a huge entry of blocks that do not begin at 2 MiB.
  @Test func `FT-10: blocks off 2 MiB on the device make a huge fault fall back`() {
    let opened = machine.file(1, pages: 512, block: 513)
    opened.map()
    #expect(opened.attempt(.huge, 0) == .fallback)
    #expect(opened.read(5) == .mapped(FilePTE(.block(518), .base), isMajor: false))
  }

  /// Catches blocks in two places under one entry.
  @Test func `two extents make a huge fault fall back`() {
    let opened = machine.file(1, pages: 512, block: 512)
    opened.file.map(300, to: 5000)
    opened.map()
    #expect(opened.attempt(.huge, 0) == .fallback)
  }

  /// Catches one bad sector that takes 2 MiB away, or that is mapped among the good ones.
  @Test func `FT-11: a bad block makes a huge fault fall back, and only its page fails`() {
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map()
    opened.file.bad = [600]
    #expect(opened.attempt(.huge, 0) == .fallback)
    #expect(opened.read(87) == .mapped(FilePTE(.block(599), .base), isMajor: false))
    #expect(opened.read(88) == .fatal(.memoryError(opened.address(88))))
    #expect(opened.read(89) == .mapped(FilePTE(.block(601), .base), isMajor: false))
  }

  /// Catches a private copy of 2 MiB, and a huge entry that stays beside the copy.
  @Test func `a private store in a huge page copies one page of it`() {
    let opened = machine.file(1, pages: 512, block: 512)
    opened.map(isShared: false)
    #expect(opened.read(3) == .mapped(FilePTE(.block(512), .huge), isMajor: false))
    #expect(opened.write(3) == .copied(.blocks(from: 515)))
    #expect(!opened.isPresent(4))
    #expect(opened.counts(512).refcount == 0)
    #expect(opened.read(4) == .mapped(FilePTE(.block(516), .base), isMajor: false))
  }

  /// Catches half of a huge entry left behind, or a cut that leaves it across two windows.
  @Test func `zap and munmap of a part take the whole huge entry`() {
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map()
    opened.read(0)
    opened.mapping.zap(process: 1, addresses: Machine.start + 4096..<Machine.start + 8192)
    #expect(!opened.isPresent(300))
    opened.read(0)
    opened.mapping.unmap(process: 1, addresses: Machine.start + 8192..<Machine.start + 12288)
    #expect(opened.mapping.windows.count == 2)
    #expect(opened.counts(512).refcount == 0)
    #expect(opened.mapping.window(of: 1, at: Machine.start + 8192) == nil)
    #expect(opened.read(3) == .mapped(FilePTE(.block(515), .base), isMajor: false))
  }
}
