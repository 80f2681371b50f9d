internal import HostFilesystem
internal import LinuxSys
internal import SystemPackage
internal import TestSupport
internal import Testing

/// Whose a block of a real, mounted filesystem is.
@Suite(.serialized, .timeLimit(.minutes(20)))
struct `The owners of a block` {
  private static let hasXFS = LoopMount.canUse("mkfs.xfs")
  private static let hasBtrfs = LoopMount.canUse("mkfs.btrfs")
  private static let hasExt4 = LoopMount.canUse("mkfs.ext4")

  private func radius(_ mount: LoopMount, _ file: String, _ offset: UInt64) throws -> BlastRadius {
    let shown = try Mount(showing: mount.point)
    let place = try BlastRadius.place(of: "\(mount.point)/\(file)", offset: offset, on: shown)
    return try BlastRadius(of: place..<place + 4096, on: shown)
  }

  private func inode(_ mount: LoopMount, _ file: String) throws -> UInt64 {
    UInt64(try mount.run("stat -c %i '\(mount.point)/\(file)'").dropLast()) ?? 0
  }

  /// Three files that share blocks at different offsets, on a filesystem with reflinks.
  private func expectSharing(_ mount: LoopMount, way: BlastRadius.Way) throws {
    try mount.run(
      """
      cd '\(mount.point)'; mkdir -p d; head -c 65536 /dev/urandom > d/a; sync; cp --reflink=always d/a 'd/b c'
      head -c 8192 /dev/urandom > alone; sync
      """)
    let shared = try radius(mount, "d/a", 0x3000)
    #expect(shared.way == way)
    let (a, b) = (try inode(mount, "d/a"), try inode(mount, "d/b c"))
    #expect(
      Set(shared.owners.map(\.owner))
        == [.file(inode: a, offset: 0x3000), .file(inode: b, offset: 0x3000)])
    #expect(shared.owners.allSatisfy { $0.isShared })
    #expect(
      Set(shared.owners.map(\.path)) == ["\(mount.point)/d/a", "\(mount.point)/d/b c"])
    let alone = try radius(mount, "alone", 0x1000)
    #expect(alone.owners.map(\.owner) == [.file(inode: try inode(mount, "alone"), offset: 0x1000)])
    #expect(alone.owners.allSatisfy { !$0.isShared })
    // A write takes the block from one of them.
    try mount.run(
      "cd '\(mount.point)'; printf x | dd of=d/a bs=1 seek=12288 conv=notrunc status=none; sync")
    let place = try radius(mount, "d/b c", 0x3000)
    #expect(place.owners.map(\.owner) == [.file(inode: b, offset: 0x3000)])
  }

  /// Catches owners that are lost or invented where blocks are shared, and offsets that belong to another owner.
  @Test(.enabled(if: hasXFS, "wants root, loop devices and mkfs.xfs"))
  func `on XFS are all that share it, by GETFSMAP`() throws {
    let mount = try LoopMount(mkfs: "mkfs.xfs -q -m rmapbt=1,reflink=1")
    try expectSharing(mount, way: .fsmap)
  }

  /// Catches a question that XFS takes for a damaged inode: FIEMAP of what has no extents of its own.
  @Test(.enabled(if: hasXFS, "wants root, loop devices and mkfs.xfs"))
  func `on XFS are asked of regular files only`() throws {
    let mount = try LoopMount(mkfs: "mkfs.xfs -q -m rmapbt=1,reflink=1")
    try mount.run("mkfifo '\(mount.point)/pipe'; mkdir '\(mount.point)/d'; sync")
    for name in ["pipe", "d"] {
      #expect(throws: HostFilesystemError.noFile("\(mount.point)/\(name)")) {
        try radius(mount, name, 0)
      }
    }
  }

  /// Catches metadata that is taken for a file, and the superblock taken for free space.
  @Test(.enabled(if: hasXFS, "wants root, loop devices and mkfs.xfs"))
  func `on XFS can be the filesystem itself`() throws {
    let mount = try LoopMount(mkfs: "mkfs.xfs -q -m rmapbt=1,reflink=1")
    let shown = try Mount(showing: mount.point)
    #expect(shown.kind == "xfs" && !shown.isDax)
    let first = try BlastRadius(of: 0..<4096, on: shown)
    #expect(first.owners.map(\.owner) == [.metadata("superblock and group headers")])
    #expect(first.mappers.isEmpty)
    let all = try BlastRadius(of: 0..<(400 << 20), on: shown)
    #expect(all.owners.contains { $0.owner == .metadata("log") })
    #expect(all.owners.contains { $0.owner == .free })
    // Nothing between two owners is left out.
    let ends = all.owners.map(\.physical)
    #expect(zip(ends, ends.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    try mount.run(
      "cd '\(mount.point)'; for i in $(seq 2000); do echo $i > f$i; done; sync")
    let many = try BlastRadius(of: 0..<(400 << 20), on: shown, wantsPaths: false)
    let files = many.owners.filter { if case .file = $0.owner { true } else { false } }
    #expect(Set(files.compactMap(\.owner.inode)).count >= 2000)
  }

  /// Catches an XFS without a reverse map that is believed when it says "unknown".
  @Test(.enabled(if: hasXFS, "wants root, loop devices and mkfs.xfs"))
  func `on XFS without a reverse map are found file by file`() throws {
    let mount = try LoopMount(mkfs: "mkfs.xfs -q -m rmapbt=0,reflink=1")
    try expectSharing(mount, way: .fiemap)
  }

  /// Catches a filesystem without GETFSMAP that has no answer.
  @Test(.enabled(if: hasBtrfs, "wants root, loop devices and mkfs.btrfs"))
  func `on Btrfs are found file by file`() throws {
    let mount = try LoopMount(mkfs: "mkfs.btrfs -q")
    try expectSharing(mount, way: .fiemap)
  }

  /// Catches ext4's own blocks that are lost when its files are asked.
  @Test(.enabled(if: hasExt4, "wants root, loop devices and mkfs.ext4"))
  func `on ext4 are a file, found by asking, or the filesystem, which knows`() throws {
    let mount = try LoopMount(mkfs: "mkfs.ext4 -q")
    try mount.run("cd '\(mount.point)'; head -c 65536 /dev/urandom > a; sync")
    let found = try radius(mount, "a", 0x3000)
    #expect(found.way == .fiemap)
    #expect(found.owners.map(\.owner) == [.file(inode: try inode(mount, "a"), offset: 0x3000)])
    let first = try BlastRadius(of: 0..<4096, on: try Mount(showing: mount.point))
    #expect(first.owners.first?.owner == .metadata("superblock and group headers"))
    #expect(first.owners.allSatisfy { if case .metadata = $0.owner { true } else { false } })
  }

  /// Catches processes that are missed, and mappings of other parts of the file.
  @Test(.enabled(if: hasXFS, "wants root, loop devices and mkfs.xfs"))
  func `are joined with the processes that map them now`() throws {
    let mount = try LoopMount(mkfs: "mkfs.xfs -q -m rmapbt=1,reflink=1")
    try mount.run(
      "cd '\(mount.point)'; head -c 65536 /dev/urandom > a; cp --reflink=always a b; sync")
    let script = """
      import mmap, os, sys
      f = os.open(sys.argv[1], os.O_RDWR)
      m = mmap.mmap(f, 0x4000, offset=0x2000)
      m[0x1000]
      print("ready", flush=True)
      sys.stdin.readline()
      """
    let reader = try Program(
      ["python3", "-c", script, "\(mount.point)/b"], holdsInput: true)
    #expect(reader.waitForOutput("ready"))
    let found = try radius(mount, "a", 0x3000)
    #expect(found.owners.count == 2)
    let mapper = try #require(found.mappers.first)
    #expect(found.mappers.count == 1)
    #expect(mapper.process == reader.identifier)
    #expect(mapper.inode == (try inode(mount, "b")))
    #expect(mapper.address == mapper.mapping.addresses.lowerBound + 0x1000)
    #expect(mapper.mapping.isShared)
    #expect(mapper.isPresent == true)
    #expect(try radius(mount, "a", 0x6000).mappers.isEmpty)
    try reader.sendLine()
    _ = try reader.wait()
    #expect(try radius(mount, "a", 0x3000).mappers.isEmpty)
  }

  /// Catches an answer where there is none.
  @Test(.enabled(if: hasXFS, "wants root, loop devices and mkfs.xfs"))
  func `cannot be asked for of a hole, or of another filesystem's file`() throws {
    let mount = try LoopMount(mkfs: "mkfs.xfs -q -m rmapbt=1,reflink=1")
    try mount.run("truncate -s 1M '\(mount.point)/hole'")
    let shown = try Mount(showing: mount.point)
    let hole = "\(mount.point)/hole"
    #expect(throws: HostFilesystemError.hole(path: hole, offset: 4096)) {
      try BlastRadius.place(of: hole, offset: 4096, on: shown)
    }
    #expect(throws: HostFilesystemError.notOnMount(path: "/etc/passwd", mount: mount.point)) {
      try BlastRadius.place(of: "/etc/passwd", offset: 0, on: shown)
    }
    #expect(throws: HostFilesystemError.noSuchPath("/nowhere")) { try Mount(showing: "/nowhere") }
  }
}

/// Lines of /proc/PID/maps.
@Suite struct `A mapping of a process` {
  /// Catches paths that are cut at a space, hexadecimal device numbers read as decimal ones, and lines that are no mapping.
  @Test func `is read as the kernel writes it`() throws {
    let line: Substring =
      "7f0000000000-7f0000004000 rw-s 00002000 103:0a 131                       /mnt/pmem 0/a (deleted)"
    let mapping = try #require(ProcessMapping(line: line))
    #expect(mapping.addresses == 0x7f00_0000_0000..<0x7f00_0000_4000)
    #expect(mapping.device == "259:10")
    #expect(mapping.inode == 131)
    #expect(mapping.path == "/mnt/pmem 0/a (deleted)")
    #expect(mapping.address(of: 0x3000) == 0x7f00_0000_1000)
    #expect(mapping.address(of: 0x6000) == nil)
    #expect(mapping.address(of: 0x1000) == nil)
    #expect(ProcessMapping(line: "7f00-7e00 rw-s 0 1:1 1") == nil)
    #expect(ProcessMapping(line: "Rss:     4 kB") == nil)
    #expect(ProcessMapping(line: "") == nil)
  }
}
