import DaxModel
import ExtentFS
import OwnerIndex
import PageModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `when things fail` {
  /// Catches bytes of a bad block handed out, or a write that clears what it may not
  /// (kernel-semantics 4.8).
  @Test func `reads of a bad block are EIO, and only whole pages clear it`() throws {
    let media = BrokenMedia()
    let fs = try xfs(media: media)
    let inode = try fs.file("/f1", pages: 16)
    media.bad = [27]
    #expect(throws: Errno.ioError) { try fs.read(inode, at: 0x3000, count: 4096) }
    #expect(throws: Errno.ioError) { try fs.read(inode, at: 0x2000, count: 0x3000) }
    #expect(try fs.read(inode, at: 0x4000, count: 1) == [0x11])
    #expect(throws: Errno.badAddress) { try fs.write(inode, at: 0x3000, fill: 7, count: 512) }
    #expect(media.bad == [27])
    media.canClear = false
    #expect(throws: Errno.badAddress) { try fs.write(inode, at: 0x3000, fill: 7, count: 4096) }
    media.canClear = true
    #expect(try fs.write(inode, at: 0x3000, fill: 7, count: 4096) == 4096)
    #expect(media.bad.isEmpty)
    #expect(try fs.read(inode, at: 0x3000, count: 1) == [7])
  }

  /// Catches a copy that was made of nothing (oracle `xfs-reflink-mce-write-after`).
  @Test(arguments: KernelBehavior.allCases)
  func `a shared block that cannot be read is EIO for pwrite and SIGBUS for a store`(
    kernel: KernelBehavior
  ) throws {
    let media = BrokenMedia()
    let fs = try xfs(kernel: kernel, media: media)
    let one = try fs.file("/f1", pages: 16)
    let other = try fs.create("/f2")
    try fs.reflink(from: one, to: other)
    fs.map(one, 1)
    media.bad = [27]
    #expect(!fs.store(one, 1, 0x3000, 0x99))
    #expect(fs.shape(one) == "0+16@24s")
    #expect(throws: Errno.ioError) { try fs.write(one, at: 0x3000, fill: 1, count: 100) }
    #expect(throws: Errno.ioError) { try fs.write(one, at: 0x3000, fill: 1, count: 4096) }
    #expect(fs.shape(one) == "0+16@24s")
    #expect(fs.shape(other) == "0+16@24s")
  }

  /// Catches a failed zeroing that leaves no trace, or one that reads see at once (ext4-failed-zeroout.scn).
  @Test func `ext4 gives blocks that it could not zero at the second attempt, as they are`() throws
  {
    let media = BrokenMedia()
    let fs = try ext4(media: media)
    let inode = try fs.file("/f1", pages: 4)
    let first = fs.extents(of: inode)[0].block
    media.canClear = false
    func fail() throws {
      try fs.allocate(inode, .zeroRange, at: 0, count: 3 * page)
      media.bad = [first + 1]
      #expect(throws: Errno.ioError) { try fs.write(inode, at: 0, fill: 7, count: 4096 * 3) }
    }
    try fail()
    #expect(fs.shape(inode) == "0+3@\(first)u 3+1@\(first + 3)")
    #expect(try fs.read(inode, at: page, count: 1) == [0])
    // The blocks before the bad one are zeroed, the one behind it keeps what it had.
    #expect(throws: Errno.badAddress) { try fs.write(inode, at: page, fill: 7, count: 4096) }
    #expect(fs.shape(inode) == "0+1@\(first)u 1+1@\(first + 1) 2+1@\(first + 2)u 3+1@\(first + 3)")
    #expect(try fs.write(inode, at: 2 * page, fill: 7, count: 1) == 1)
    #expect(try fs.read(inode, at: 2 * page, count: 2) == [7, 0x11])
    // What asks for blocks, or forgets what it knew of them, learns that they are written.
    let ways: [() throws -> Void] = [
      { _ = try fs.allocate(inode, .allocate, at: 0, count: 3 * page) },
      {
        try fs.unmount()
        try fs.mount()
      },
    ]
    for learn in ways {
      media.bad = []
      try fail()
      try learn()
      #expect(fs.shape(inode) == "0+4@\(first)")
    }
    // What is taken away or zeroed anew is forgotten.
    media.bad = []
    try fail()
    try fs.allocate(inode, .zeroRange, at: 0, count: 3 * page)
    #expect(throws: Errno.ioError) { try fs.write(inode, at: page, fill: 7, count: 4096) }
    try fs.truncate(inode, to: 0)
    media.bad = []
    #expect(try fs.write(inode, at: 0, fill: 7, count: 1) == 1)
    #expect(try fs.read(inode, at: 0, count: 2) == [7])
  }

  /// Catches a bad block that is given out again as if nothing were wrong with it (oracle, "free
  /// the bad block and reuse it").
  @Test func `a bad block that is used again shuts XFS down, and is EIO on ext4`() throws {
    for kind in [Format.Kind.xfs, .ext4] {
      let media = BrokenMedia()
      let fs = kind == .xfs ? try xfs(media: media) : try ext4(media: media)
      let inode = try fs.file("/f1", pages: 4)
      media.bad = [fs.extents(of: inode)[0].block]
      media.canClear = false
      try fs.allocate(inode, .punchHole, at: 0, count: page)
      try fs.synchronize(inode)
      try fs.allocate(inode, .allocate, at: 0, count: page)
      guard fs.extents(of: inode)[0].block == media.bad.first else { continue }
      #expect(throws: Errno.ioError) { try fs.write(inode, at: 0, fill: 1, count: 4096) }
      #expect(fs.isShutDown == (kind == .xfs))
    }
  }

  /// Catches a filesystem that goes on, or mappings that end (oracle `xfs-meta-super`).
  @Test func `after a shutdown calls are EIO and mapped pages stay`() throws {
    let fs = try xfs()
    let inode = try fs.file("/f1", pages: 16)
    fs.map(inode, 1)
    #expect(fs.load(inode, 1, 0x3000) == 0x11)
    fs.shutDown(.corruptOnDisk)
    #expect(throws: Errno.ioError) { try fs.create("/f2") }
    #expect(throws: Errno.ioError) { try fs.read(inode, at: 0, count: 1) }
    #expect(throws: Errno.ioError) { try fs.synchronize(inode) }
    #expect(fs.load(inode, 1, 0x3000) == 0x11)
    #expect(fs.load(inode, 1, 0x8000) == nil)
    #expect(!fs.store(inode, 1, 0x3000, 1))
  }

  /// Catches a call that changes something before it waits, or that does not wait at all.
  @Test func `truncate, punch, clone and unlink wait for a page under DMA`() throws {
    let fs = try xfs()
    let inode = try fs.file("/f1", pages: 16)
    let other = try fs.create("/f2")
    fs.map(inode, 1)
    _ = fs.load(inode, 1, 0x3000)
    fs.pagemap.pin(folio: 27)
    let waits = Progress.waits(.waitsForIdle(block: 27, wakesAt: 0, isInterruptible: true))
    #expect(try fs.truncate(inode, to: 0) == waits)
    #expect(try fs.allocate(inode, .punchHole, at: 0, count: page) == waits)
    #expect(try fs.reflink(from: inode, to: other) == waits)
    #expect(fs.shape(inode) == "0+16@24")
    #expect(fs.size(of: inode) == 16 * page)
    fs.mapping(of: inode)!.unmapAll(process: 1)
    #expect(
      try fs.unlink("/f1")
        == .waits(.waitsForIdle(block: 27, wakesAt: 0, isInterruptible: false)))
    #expect(fs.owners(ofBlock: 27) == [.file(inode: inode, page: 3)])
    fs.pagemap.unpin(folio: 27)
    #expect(fs.evict(inode) == .done)
    #expect(fs.owners(ofBlock: 27).isEmpty)
  }

  /// Catches metadata that looks free: what is hit there ends the filesystem.
  @Test func `every metadata block has its owner`() throws {
    let fs = try xfs()
    #expect(fs.owners(ofBlock: 0) == [.metadata(.superblock)])
    #expect(fs.owners(ofBlock: 16) == [.metadata(.inodes)])
    #expect(fs.owners(ofBlock: deviceBlocks / 4) == [.metadata(.superblock)])
    let runs = fs.owners(in: 0..<deviceBlocks)
    let kinds = Set(runs.flatMap(\.owners))
    for kind in [
      BlockOwner.Metadata.freeSpace, .inodeIndex, .reverseMap, .refcounts, .log,
    ] {
      #expect(kinds.contains(.metadata(kind)))
    }
    let log = runs.first { $0.owners == [.metadata(.log)] }!
    #expect(log.blocks.count == 16384 - 16384 % 1 || log.blocks.count > 1000)
    let owned = runs.reduce(0) { $0 + UInt64($1.blocks.count) }
    #expect(owned + fs.freeBlocks == deviceBlocks)
    let plain = try xfs(reverseMap: false, reflink: false)
    let fewer = Set(plain.owners(in: 0..<deviceBlocks).flatMap(\.owners))
    #expect(!fewer.contains(.metadata(.reverseMap)))
    #expect(!fewer.contains(.metadata(.refcounts)))
    let small = try ext4()
    #expect(small.owners(ofBlock: 1) == [.metadata(.groupDescriptors)])
    #expect(small.owners(ofBlock: 4) == [.metadata(.inodes)])
    #expect(!small.isHolder)
    #expect(fs.isHolder)
  }

  /// Catches mounts that the kernel refuses, and an unmount under somebody's feet.
  @Test func `mount, unmount and remount`() throws {
    let fs = ExtentFS(.xfs(blocks: 4096), blockCount: 4096)
    #expect(throws: Errno.noSuchFileOrDirectory) { try fs.create("/f1") }
    #expect(throws: Errno.invalidArgument) { try fs.mount(MountOptions(isPartition: true)) }
    try fs.mount(MountOptions(dax: .inode))
    #expect(throws: Errno.resourceBusy) { try fs.mount() }
    let inode = try fs.file("/f1", pages: 2)
    #expect(!fs.isDax(inode))
    #expect(fs.mapping(of: inode) == nil)
    try fs.setDaxFlag(inode, true)
    #expect(fs.isDax(inode))
    try fs.get(inode)
    #expect(throws: Errno.resourceBusy) { try fs.unmount() }
    #expect(throws: Errno.resourceBusy) { try fs.remount(MountOptions(dax: .never)) }
    fs.put(inode)
    try fs.remount(MountOptions(dax: .never, isReadOnly: true))
    #expect(!fs.isDax(inode))
    #expect(!fs.isHolder)
    #expect(throws: Errno.readOnlyFileSystem) { try fs.unlink("/f1") }
    try fs.unmount()
    #expect(!fs.isInCore(inode))
    try fs.mount()
    #expect(try fs.lookup("f1") == inode)
    #expect(fs.isInCore(inode))
    #expect(try fs.read(inode, at: 0, count: 1) == [0x11])
  }

  /// Catches names that are lost, doubled or left behind.
  @Test func `names`() throws {
    let fs = try xfs()
    let inode = try fs.create("/a")
    #expect(throws: Errno.fileExists) { try fs.create("a") }
    #expect(throws: Errno.noSuchFileOrDirectory) { try fs.lookup("/b") }
    _ = try fs.makeDirectory("/d")
    try fs.link("/a", "/d/b")
    #expect(fs.paths(of: inode) == ["/a", "/d/b"])
    #expect(fs.links(of: inode) == 2)
    try fs.rename("/a", "/d/c")
    #expect(try fs.list("/d") == ["b", "c"])
    #expect(throws: Errno.directoryNotEmpty) { try fs.unlink("/d") }
    let other = try fs.create("/e")
    try fs.rename("/e", "/d/c")
    #expect(try fs.lookup("/d/c") == other)
    #expect(fs.links(of: inode) == 1)
    try fs.unlink("/d/b")
    #expect(!fs.exists(inode))
    #expect(throws: Errno.notDirectory) { try fs.create("/d/c/x") }
  }
}
