import DaxModel
import ExtentFS
import OwnerIndex
import PmemBase
import SystemPackage
import Testing

@Suite struct `extents` {
  /// Catches a layout that is not XFS's: the numbers are what mkfs.xfs and FIEMAP say (oracle
  /// `xfs-unwritten`).
  @Test func `a fresh XFS puts the first file behind the first inodes`() throws {
    let fs = try xfs()
    let inode = try fs.file("/f1", pages: 16)
    #expect(inode == 131)
    #expect(fs.shape(inode) == "0+16@24")
    #expect(fs.address(of: inode, at: 0x3004) == 27 * page + 4)
    #expect(fs.owners(ofBlock: 27) == [.file(inode: 131, page: 3)])
  }

  /// Catches a hole that reads as something, or takes room.
  @Test func `holes and unwritten blocks read as zeroes`() throws {
    let fs = try xfs()
    let inode = try fs.create("/f1")
    try fs.truncate(inode, to: 16 * page)
    #expect(fs.shape(inode) == "")
    try fs.allocate(inode, .allocate, at: 0, count: 16 * page)
    #expect(fs.shape(inode) == "0+16@24u")
    #expect(try fs.read(inode, at: 0x3000, count: 4) == [0, 0, 0, 0])
    fs.map(inode, 1)
    #expect(
      fs.mapping(of: inode)!.fault(process: 1, address: 0x4000_3000, write: false)
        == .mapped(FilePTE(.zero, .base), isMajor: false))
    // A store turns its page only: oracle `xfs-unwritten`.
    #expect(fs.store(inode, 1, 0x3000, 9))
    #expect(fs.shape(inode) == "0+3@24u 3+1@27 4+12@28u")
    #expect(try fs.read(inode, at: 0x2fff, count: 3) == [0, 9, 0])
  }

  /// Catches blocks used again before the log says that they are free (oracle `xfs-punch-after`,
  /// `xfs-truncate-after`).
  @Test func `what was freed is not used again before the next fsync`() throws {
    let fs = try xfs()
    let inode = try fs.file("/f1", pages: 16)
    try fs.allocate(inode, .punchHole, at: 0x3000, count: page)
    #expect(fs.shape(inode) == "0+3@24 4+12@28")
    try fs.write(inode, at: 0x3000, fill: 0x77, count: 4096)
    #expect(fs.shape(inode) == "0+3@24 3+1@40 4+12@28")
    #expect(fs.size(of: inode) == 16 * page)
  }

  /// Catches a map that needs more room than an inode has, and takes none (oracle
  /// `xfs-attr-and-bmbt`).
  @Test func `a file of many extents has a block for its map`() throws {
    let fs = try xfs()
    let inode = try fs.create("/f1")
    let before = fs.freeBlocks
    for step in stride(from: UInt64(0), through: 400, by: 2) {
      try fs.write(inode, at: step * page, fill: 0x44, count: 4096)
    }
    let maps = fs.owners(in: 0..<deviceBlocks).filter { $0.owners == [.extentMap(inode: inode)] }
    #expect(maps.count == 1)
    #expect(fs.freeBlocks == before - 202)
    try fs.truncate(inode, to: 0)
    #expect(fs.freeBlocks == before)
  }

  /// Catches partial pages that are lost or kept where they should not be.
  @Test func `punch and zero range clear parts of pages and keep the rest`() throws {
    for fs in [try xfs(), try ext4()] {
      for mode in [AllocateMode.punchHole, .zeroRange] {
        let inode = try fs.file("/\(mode)", pages: 4, 7)
        try fs.allocate(inode, mode, at: 1000, count: 8000)
        let bytes = try fs.read(inode, at: 0, count: 16384)
        #expect(bytes[..<1000].allSatisfy { $0 == 7 })
        #expect(bytes[1000..<9000].allSatisfy { $0 == 0 })
        #expect(bytes[9000...].allSatisfy { $0 == 7 })
        #expect(fs.size(of: inode) == 4 * page)
      }
    }
  }

  /// Catches a tail that comes back when the file grows again.
  @Test func `truncate in a page forgets the rest of it`() throws {
    let fs = try xfs()
    let inode = try fs.file("/f1", pages: 2, 7)
    try fs.truncate(inode, to: 100)
    try fs.truncate(inode, to: 8192)
    #expect(try fs.read(inode, at: 99, count: 3) == [7, 0, 0])
    #expect(try fs.read(inode, at: 5000, count: 1) == [0])
    #expect(try fs.read(inode, at: 8191, count: 10).count == 1)
  }

  /// Catches files that cannot be mapped by 2 MiB though they were made for it (oracle `xfs-2m`).
  @Test func `extsize of 2 MiB gives blocks that a huge entry can map`() throws {
    let fs = try xfs()
    let inode = try fs.create("/f1")
    try fs.setExtentSize(inode, 2 << 20)
    try fs.allocate(inode, .allocate, at: 0, count: 8 << 20)
    try fs.write(inode, at: 0, fill: 0x33, count: 8 << 20)
    #expect(fs.extents(of: inode).count == 1)
    #expect(fs.extents(of: inode)[0].block % 512 == 0)
    fs.map(inode, 1)
    guard
      case .mapped(let entry, _) = fs.mapping(of: inode)!.fault(
        process: 1, address: 0x4020_3000, write: true)
    else {
      Issue.record("no huge entry")
      return
    }
    #expect(entry.size == .huge)
  }

  /// Catches a device that fills up and loses what was written, or blocks that belong to nobody.
  @Test func `a full device writes what fits and says ENOSPC`() throws {
    let format = Format.xfs(blocks: 256, groups: 2)
    let fs = ExtentFS(format, blockCount: 256)
    try fs.mount()
    let inode = try fs.create("/f1")
    let written = try fs.write(inode, at: 0, fill: 1, count: 300 * 4096)
    #expect(written % 4096 == 0)
    #expect(written > 100 * 4096)
    #expect(fs.freeBlocks == 0)
    #expect(throws: Errno.noSpace) { try fs.write(inode, at: 1 << 30, fill: 1, count: 1) }
    #expect(try fs.read(inode, at: UInt64(written) - 1, count: 2) == [1])
    try fs.unlink("/f1")
    #expect(fs.freeBlocks > 200)
  }

  /// Catches a request that fails and keeps all that was free; and ext4, which does keep it, made like XFS.
  @Test(arguments: [false, true]) func `an allocation that cannot be had takes nothing on XFS`(
    isExt4: Bool
  )
    throws
  {
    let fs = ExtentFS(isExt4 ? .ext4(blocks: 4096) : .xfs(blocks: 4096), blockCount: 4096)
    try fs.mount()
    let inode = try fs.create("/f1")
    let free = fs.freeBlocks
    #expect(throws: Errno.noSpace) { try fs.allocate(inode, .allocate, at: 0, count: 1 << 40) }
    #expect(isExt4 ? fs.freeBlocks < free / 2 : fs.freeBlocks == free)
  }

  /// Catches content that costs as much as the device is large.
  @Test func `a file of 400 MB of one value is cheap`() throws {
    let fs = try xfs()
    let inode = try fs.create("/f1")
    #expect(try fs.write(inode, at: 0, fill: 0x55, count: 400 << 20) == 400 << 20)
    #expect(try fs.read(inode, at: 300 << 20, count: 2) == [0x55, 0x55])
    #expect(fs.extents(of: inode).count < 8)
  }
}
