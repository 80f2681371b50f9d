import DaxModel
import ExtentFS
import OwnerIndex
import PmemBase
import SystemPackage
import Testing

@Suite struct `shared blocks` {
  /// Catches an owner that is forgotten or kept by any step of the way (oracle
  /// `xfs-reflink-cow-old`): the numbers are the measured ones.
  @Test(arguments: KernelBehavior.allCases)
  func `a store to a clone moves one page and leaves the other file alone`(
    kernel: KernelBehavior
  ) throws {
    let fs = try xfs(kernel: kernel)
    let one = try fs.file("/f1", pages: 16)
    let other = try fs.create("/f2")
    #expect(try fs.reflink(from: one, to: other) == .done)
    #expect(fs.shape(one) == "0+16@24s")
    #expect(fs.shape(other) == "0+16@24s")
    #expect(fs.size(of: other) == 16 * page)
    #expect(
      fs.owners(ofBlock: 27) == [.file(inode: one, page: 3), .file(inode: other, page: 3)])
    fs.map(one, 1)
    fs.map(other, 2)
    #expect(fs.load(other, 2, 0x3000) == 0x11)
    #expect(fs.store(one, 1, 0x3000, 0x99))
    #expect(fs.shape(one) == "0+3@24s 3+1@43 4+12@28s")
    #expect(fs.load(one, 1, 0x3000) == 0x99)
    #expect(fs.load(one, 1, 0x3001) == 0x11)
    #expect(fs.load(other, 2, 0x3000) == 0x11)
    #expect(fs.isPresent(other, 2, 0x3000))
    #expect(fs.owners(ofBlock: 27) == [.file(inode: other, page: 3)])
    #expect(fs.owners(ofBlock: 43) == [.file(inode: one, page: 3)])
    // What was taken ahead for the next copies belongs to no file.
    #expect(fs.owners(ofBlock: 40) == [.metadata(.copyOnWriteStaging)])
    fs.collectStaging()
    #expect(fs.owners(ofBlock: 40).isEmpty)
    #expect(fs.owners(ofBlock: 43) == [.file(inode: one, page: 3)])
  }

  /// Catches windows that go on showing a source as if it were not shared (oracle
  /// `xfs-reflink-after-map`).
  @Test func `a clone removes the source's pages from every process`() throws {
    let fs = try xfs()
    let one = try fs.file("/f1", pages: 16)
    fs.map(one, 1)
    _ = fs.load(one, 1, 0x3000)
    let other = try fs.create("/f2")
    try fs.reflink(from: one, to: other)
    #expect(!fs.isPresent(one, 1, 0x3000))
    // Two files that read the same page do not evict each other; two processes of one file do.
    fs.map(one, 3, at: 0x9000_0000)
    fs.map(other, 2)
    _ = fs.load(one, 1, 0x3000)
    _ = fs.load(other, 2, 0x3000)
    #expect(fs.isPresent(one, 1, 0x3000))
    _ = fs.load(one, 3, 0x3000)
    #expect(!fs.isPresent(one, 1, 0x3000))
    #expect(fs.isPresent(other, 2, 0x3000))
  }

  /// Catches bytes that are copied while a page table still allows a store to the old block, which is lost then; and blocks that are free
  /// while one still shows them. The store here comes at the last moment at which there is an entry.
  @Test(arguments: ["store", "write", "truncate"])
  func `no block is copied or taken before page tables have lost it`(way: String) throws {
    let fs = try xfs()
    let one = try fs.file("/f1", pages: 16)
    let other = try fs.create("/f2")
    fs.map(one, 1)
    fs.map(one, 2)
    try fs.reflink(from: one, at: 0x3000, to: other, count: 0x1000)
    // Its neighbour is nobody else's: it is stored to where it is, until room for a copy has been taken along.
    #expect(!fs.copiesOnWrite(one, page: 4))
    fs.store(one, 1, 0x4000, 0x55)
    #expect(fs.shape(one) == "0+3@24 3+1@27s 4+12@28")
    #expect(fs.copiesOnWrite(one, page: 3))
    fs.store(one, 1, 0x3000, 0x99)
    #expect(fs.copiesOnWrite(one, page: 4))
    #expect(fs.isPresent(one, 1, 0x4000))

    var shown = true
    fs.mapping(of: one)!.changesPageTables = { change in
      if change.process == 1, change.addresses.contains(0x4000_4000) { shown = false }
    }
    var isLate = true
    fs.settlesPageTables = {
      guard !shown, isLate else { return }
      isLate = false
      #expect(fs.owners(ofBlock: 28) == [.file(inode: one, page: 4)])
      fs.contents.write(28, at: 7, [0x77])
    }
    switch way {
    case "store": #expect(fs.store(one, 2, 0x4008, 0x66))
    case "write": #expect(try fs.write(one, at: 0x4008, [0x66]) == 1)
    default: try fs.truncate(one, to: 0x1000)
    }
    #expect(!isLate)
    if way == "truncate" {
      #expect(fs.owners(ofBlock: 28).isEmpty)
    } else {
      #expect(try fs.read(one, at: 0x4000, count: 9) == [0x55, 17, 17, 17, 17, 17, 17, 0x77, 0x66])
    }
  }

  /// Catches one owner where the same file has a block twice (oracle `xfs-reflink-offsets`).
  @Test func `a block cloned twice into one file has both places`() throws {
    let fs = try xfs()
    let one = try fs.file("/f1", pages: 16, 1)
    let other = try fs.file("/f2", pages: 16, 2)
    try fs.reflink(from: one, at: 0x3000, to: other, at: 0x8000, count: 0x1000)
    try fs.reflink(from: one, at: 0x3000, to: other, at: 0xa000, count: 0x1000)
    #expect(fs.shape(other) == "0+8@40 8+1@27s 9+1@49 10+1@27s 11+5@51")
    #expect(
      fs.owners(ofBlock: 27) == [
        .file(inode: one, page: 3), .file(inode: other, page: 8), .file(inode: other, page: 10),
      ])
    #expect(fs.owners(ofBlock: 48).isEmpty)
    #expect(try fs.read(other, at: 0x8fff, count: 2) == [1, 2])
  }

  /// Catches a mapping that goes on reading the block that the file has left.
  @Test(arguments: [KernelBehavior.v6_12, .v7_2])
  func `FT-30: pwrite over a cloned range reaches who has it mapped`(
    kernel: KernelBehavior
  ) throws {
    let fs = try xfs(kernel: kernel)
    let one = try fs.file("/f1", pages: 16)
    let other = try fs.create("/f2")
    try fs.reflink(from: one, to: other)
    fs.map(one, 1)
    fs.map(other, 2)
    for offset in [UInt64(0x3000), 0x4000, 0x5000] {
      _ = fs.load(one, 1, offset)
      _ = fs.load(other, 2, offset)
    }
    try fs.write(one, at: 0x3800, fill: 0x77, count: 4096)
    #expect(!fs.isPresent(one, 1, 0x3000))
    #expect(fs.mapping(of: one)!.entries[4] == nil)
    #expect(fs.isPresent(one, 1, 0x5000))
    #expect(fs.load(one, 1, 0x37ff) == 0x11)
    #expect(fs.load(one, 1, 0x3800) == 0x77)
    #expect(fs.load(one, 1, 0x47ff) == 0x77)
    #expect(fs.load(one, 1, 0x4800) == 0x11)
    #expect(fs.load(other, 2, 0x3800) == 0x11)
  }

  /// Catches a 6.1 that is better than the real one (oracle `xfs-reflink-pwrite-stale`).
  @Test func `FT-30: in 6.1 who has a cloned range mapped keeps the old block`() throws {
    let fs = try xfs(kernel: .v6_1)
    let one = try fs.file("/f1", pages: 16)
    try fs.reflink(from: one, to: try fs.create("/f2"))
    fs.map(one, 1)
    _ = fs.load(one, 1, 0x3000)
    try fs.write(one, at: 0x3000, fill: 0x77, count: 4096)
    #expect(fs.isPresent(one, 1, 0x3000))
    #expect(fs.load(one, 1, 0x3000) == 0x11)
    #expect(try fs.read(one, at: 0x3000, count: 1) == [0x77])
  }

  /// Catches an unshared file that still shares, or one that was copied where it need not be.
  @Test func `unshare gives a file blocks of its own`() throws {
    let fs = try xfs()
    let one = try fs.file("/f1", pages: 8, 3)
    let other = try fs.create("/f2")
    try fs.reflink(from: one, to: other)
    try fs.allocate(other, .unshareRange, at: 0, count: 8 * page)
    #expect(fs.extents(of: one).allSatisfy { !$0.isShared })
    #expect(fs.extents(of: other).allSatisfy { !$0.isShared && $0.block >= 32 })
    #expect(try fs.read(other, at: 8 * page - 1, count: 1) == [3])
  }

  /// Catches a clone where the kernel refuses one.
  @Test func `clones that XFS refuses`() throws {
    let fs = try xfs()
    let one = try fs.file("/f1", pages: 4)
    let other = try fs.file("/f2", pages: 8)
    #expect(throws: Errno.invalidArgument) {
      try fs.reflink(from: one, at: 100, to: other, count: 4096)
    }
    #expect(throws: Errno.invalidArgument) {
      try fs.reflink(from: one, to: other, count: 100)
    }
    #expect(throws: Errno.invalidArgument) {
      try fs.reflink(from: one, at: 0, to: one, at: 4096, count: 8192)
    }
    #expect(throws: Errno.invalidArgument) {
      try fs.reflink(from: one, to: other, count: 5 * page)
    }
    let plain = try xfs(reflink: false)
    let file = try plain.file("/f1", pages: 4)
    let target = try plain.create("/f2")
    #expect(throws: Errno.notSupported) { try plain.reflink(from: file, to: target) }
    let other4 = try ext4()
    let first = try other4.file("/f1", pages: 4)
    let second = try other4.create("/f2")
    #expect(throws: Errno.notSupported) { try other4.reflink(from: first, to: second) }
  }

  /// Catches a file that ends with its name, or blocks that outlive it.
  @Test func `an unlinked file owns its blocks as long as somebody has it`() throws {
    let fs = try xfs()
    let free = fs.freeBlocks
    let one = try fs.file("/f1", pages: 16)
    let other = try fs.create("/f2")
    try fs.reflink(from: one, to: other)
    try fs.get(one)
    #expect(try fs.unlink("/f1") == .done)
    #expect(fs.owners(ofBlock: 27).count == 2)
    #expect(fs.paths(of: one).isEmpty)
    #expect(fs.put(one) == .done)
    #expect(!fs.exists(one))
    #expect(fs.owners(ofBlock: 27) == [.file(inode: other, page: 3)])
    try fs.unlink("/f2")
    #expect(fs.freeBlocks == free)
  }

  /// Catches a file whose name is not found, one that has lost it, and names that changed while they were walked.
  @Test func `of each file a path is found, of those with several the shortest and first`() throws {
    let fs = try xfs()
    _ = try fs.makeDirectory("/a")
    _ = try fs.makeDirectory("/a/b")
    let deep = try fs.create("/a/b/deep")
    let linked = try fs.create("/a/b/first")
    try fs.link("/a/b/first", "/a/z")
    try fs.link("/a/b/first", "/a/y")
    let gone = try fs.create("/gone")
    try fs.get(gone)
    let names = fs.names
    try fs.unlink("/gone")
    try fs.rename("/a/b/deep", "/moved")
    let then: [UInt64: String] = [deep: "/a/b/deep", linked: "/a/y", gone: "/gone", fs.root: "/"]
    #expect(names.paths(of: [deep, linked, gone, fs.root]) == then)
    let now = fs.names.paths(of: [deep, linked, gone, 1 << 40])
    #expect(now == [deep: "/moved", linked: "/a/y"])
    #expect(fs.names.paths(of: []) == [:])
  }
}
