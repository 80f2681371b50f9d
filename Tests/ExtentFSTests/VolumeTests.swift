import ExtentFS
import PmemBase
import SystemPackage
import Testing

@Suite struct `a filesystem on its medium` {
  /// A history that touches every kind of item: names, links, extents, sharing, attributes, removal.
  static let history: [@Sendable (Volume) throws -> Void] = [
    { v in try v.file("/a", [UInt8](repeating: 7, count: 10_000)) },
    { v in _ = try v.change { fs throws(Errno) in try fs.makeDirectory("/d") } },
    { v in try v.change { fs throws(Errno) in try fs.link("/a", "/d/b") } },
    { v in try v.file("/d/c", [1, 2, 3]) },
    { v in
      let root = v.filesystem.root
      _ = try v.change { fs throws(Errno) in
        try fs.make(
          .symbolicLink, "s", in: root, Attributes(mode: 0o777), target: Array("d/c".utf8))
      }
    },
    { v in
      _ = try v.change { fs throws(Errno) in
        try fs.reflink(from: try fs.lookup("/a"), to: try fs.create("/clone"))
      }
    },
    { v in
      _ = try v.change { fs throws(Errno) in
        try fs.write(try fs.lookup("/clone"), at: 4000, fill: 9, count: 200)
      }
    },
    { v in
      _ = try v.change { fs throws(Errno) in
        try fs.setAttribute("user.k", of: try fs.lookup("/a"), to: [4, 5, 6])
      }
    },
    { v in
      _ = try v.change { fs throws(Errno) in
        try fs.change(
          try fs.lookup("/a"),
          AttributeChange(mode: 0o4711, user: 3, modified: Timestamp(seconds: -1)))
      }
    },
    { v in
      _ = try v.change { fs throws(Errno) in
        try fs.allocate(try fs.lookup("/a"), .punchHole, at: 4096, count: 4096)
      }
    },
    { v in _ = try v.change { fs throws(Errno) in try fs.rename("/d/c", "/e") } },
    { v in _ = try v.change { fs throws(Errno) in try fs.rename("/d", "/dir") } },
    { v in
      _ = try v.change { fs throws(Errno) in
        try fs.setAttribute("user.k", of: try fs.lookup("/a"), to: nil)
      }
    },
    { v in _ = try v.change { fs throws(Errno) in try fs.truncate(try fs.lookup("/a"), to: 5000) }
    },
    { v in _ = try v.change { fs throws(Errno) in try fs.unlink("/clone") } },
    { v in _ = try v.change { fs throws(Errno) in try fs.unlink("/e") } },
    { v in try v.file("/last", [UInt8](repeating: 1, count: 4096)) },
  ]

  /// Catches a medium that forgets what mkfs was told: another kind of filesystem, other groups, no reverse map.
  @Test(arguments: [
    Format.ext4(blocks: 4096), .xfs(blocks: 4096, reverseMap: false, reflink: false, groups: 2),
  ])
  func `is what mkfs was told`(format: Format) throws {
    let bytes = FlatBytes(blocks: 4096)
    try Volume.format(
      bytes, blockCount: 4096, identifier: [UInt8](repeating: 1, count: 16), as: format)
    let volume = try Volume(mounting: bytes, blockCount: 4096, kernel: .v6_1)
    #expect(volume.filesystem.format == format && volume.filesystem.kernel == .v6_1)
    try volume.file("/a", [UInt8](repeating: 7, count: 10_000))
    let again = try Volume(mounting: FlatBytes(bytes.bytes), blockCount: 4096)
    #expect(again.filesystem.format == format && again.fingerprint == volume.fingerprint)
  }

  /// Catches metadata that the log forgets: the state after each call is mounted again from what the medium has then.
  @Test func `what was done is there after every call, without a clean stop`() throws {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    for (index, step) in Self.history.enumerated() {
      try step(volume)
      let again = try Volume.again(FlatBytes(bytes.bytes))
      #expect(again.fingerprint == volume.fingerprint, "after step \(index)")
      volume.filesystem.collectStaging()
      #expect(again.filesystem.freeBlocks == volume.filesystem.freeBlocks, "after step \(index)")
    }
    #expect(
      try volume.content("/a") == [UInt8](repeating: 7, count: 4096)
        + [UInt8](repeating: 0, count: 904))
  }

  /// Catches a record or a checkpoint that counts before it is whole: the server is killed between any two stores, and in the
  /// middle of longer ones.
  @Test func `a server killed at any store leaves the state before the call or after it`() throws {
    let bytes = FlatBytes(blocks: 1024)
    _ = try Volume.fresh(bytes)
    let formatted = bytes.bytes
    var states: [[UInt8]] = []
    var marks: [Int] = []
    let recorder = FlatBytes(formatted)
    let volume = try Volume.again(recorder)
    states.append(volume.fingerprint)
    marks.append(0)
    for step in Self.history {
      try step(volume)
      states.append(volume.fingerprint)
      marks.append(recorder.stores)
    }
    try volume.unmount()
    let total = recorder.stores
    #expect(total > 80)
    for cut in 0...total {
      let killed = FlatBytes(formatted)
      killed.limit = cut
      let doomed = try Volume.again(killed)
      for step in Self.history { try step(doomed) }
      try doomed.unmount()
      let after = try Volume.again(FlatBytes(killed.bytes))
      // The last call that was done before the cut, or the one under way.
      let step = marks.lastIndex { $0 <= cut } ?? 0
      #expect(
        states[step...min(step + 1, states.count - 1)].contains(after.fingerprint), "cut at \(cut)")
    }
  }

  /// Catches a damage that is taken for data: every byte of the metadata in use is changed, one at a time.
  @Test func `a changed byte is refused, or changes nothing`() throws {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    for step in Self.history { try step(volume) }
    let sound = volume.fingerprint
    let image = bytes.bytes
    let metadata = Self.metadataBytes(image)
    #expect(metadata.count > 700)
    var refused = 0
    var looked = 0
    var repaired = 0
    for index in metadata {
      let changed = FlatBytes(image)
      changed.flip(index)
      do {
        let again = try Volume.again(changed)
        #expect(again.fingerprint == sound, "byte \(index)")
      } catch {
        refused += 1
        // fsck says so, and after its repair there is a filesystem, with all but the end of the log.
        guard index % 4 == 0 else { continue }
        looked += 1
        let fsck = try VolumeRepair(changed, blockCount: 1024, writing: true)
        #expect(!fsck.isSound, "byte \(index)")
        if fsck.isRepairable {
          repaired += 1
          _ = try Volume.again(FlatBytes(changed.bytes))
          #expect(try VolumeRepair(changed, blockCount: 1024, writing: false).isSound)
        }
      }
    }
    #expect(refused > metadata.count / 2)
    #expect(repaired == looked && looked > 50)
  }

  /// Catches a log that is read beyond what is there, or a missing end that goes unnoticed.
  @Test func `an image that is cut short is refused, and says how much is missing`() throws {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    for step in Self.history { try step(volume) }
    for blocks in [0, 1, 2, 255, 256, 257, 600, 1023] {
      let short = FlatBytes(Array(bytes.bytes[..<(blocks * 4096)]))
      let expected: ImageProblem =
        blocks == 0 ? .noSuperblock(0) : .tooShort(has: UInt64(blocks), needs: 1024)
      #expect(throws: expected) { try Volume.again(short) }
      let fsck = try VolumeRepair(short, blockCount: UInt64(blocks), writing: true)
      #expect(!fsck.isSound && !fsck.isRepairable)
    }
  }

  /// Catches a checkpoint that loses something when the log is full: thousands of calls go round both halves many times.
  @Test func `the log goes round, and the state stays`() throws {
    let bytes = FlatBytes(blocks: 1024)
    bytes.piece = 4096
    let volume = try Volume.fresh(bytes)
    for step in Self.history { try step(volume) }
    for turn in 0..<4000 {
      try volume.change { fs throws(Errno) in
        try fs.change(
          try fs.lookup("/a"), AttributeChange(modified: Timestamp(seconds: Int64(turn))))
      }
      if turn % 500 == 0 {
        let again = try Volume.again(FlatBytes(bytes.bytes))
        #expect(again.fingerprint == volume.fingerprint)
      }
    }
  }

  /// Catches a damaged checkpoint that takes the filesystem with it although the half before has all of it.
  @Test func `a checkpoint that is lost is made again from the one before`() throws {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    for step in Self.history { try step(volume) }
    let before = try Volume.again(bytes)
    try before.file("/more", [1])
    let sound = before.fingerprint
    let log = Self.log(bytes.bytes)
    var found = 0
    for half in 0..<2 {
      let changed = FlatBytes(bytes.bytes)
      changed.flip((log + 1 + half * 63 + 1) * 4096 + 40)
      if (try? Volume.again(FlatBytes(changed.bytes))) != nil { continue }
      let fsck = try VolumeRepair(changed, blockCount: 1024, writing: true)
      #expect(fsck.isRepairable && fsck.findings.count == 1)
      #expect(try Volume.again(changed).fingerprint == sound)
      found += 1
    }
    #expect(found == 1)
  }

  /// Catches metadata that is written, or believed, where the medium is bad.
  @Test func `bad metadata shuts the filesystem down, and is not mounted`() throws {
    let media = BadMedia()
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes, media: media)
    try volume.file("/a", [1, 2, 3])
    let sound = try Volume.again(FlatBytes(bytes.bytes)).fingerprint
    let log = UInt64(Self.log(bytes.bytes))
    media.bad = Set(log..<log + 128)
    #expect(throws: Errno.ioError) { try volume.file("/b", [1]) }
    #expect(volume.filesystem.isShutDown)
    #expect(throws: Errno.ioError) { try volume.content("/a") }
    #expect(throws: Errno.ioError) { try volume.synchronize() }
    #expect(throws: ImageProblem.unreadable(block: log)) {
      try Volume(mounting: bytes, blockCount: 1024, media: media)
    }
    media.bad = [0]
    #expect(throws: ImageProblem.unreadable(block: 0)) {
      try Volume(mounting: bytes, blockCount: 1024, media: media)
    }
    // What was there before is there when the medium is well again.
    try volume.unmount()
    #expect(try Volume.again(bytes).fingerprint == sound)
  }

  /// Catches a log that overflows: calls that need room are refused while those that make room still go.
  @Test func `metadata that does not fit is ENOSPC, and removing still works`() throws {
    let bytes = FlatBytes(blocks: 1024)
    bytes.piece = 4096
    let volume = try Volume.fresh(bytes)
    var made = 0
    #expect(throws: Errno.noSpace) {
      while made < 100_000 {
        let name = "file-\(made)" + String(repeating: "x", count: 200)
        _ = try volume.change(growth: 4096) { fs throws(Errno) in try fs.create(name) }
        made += 1
      }
    }
    #expect(made > 100)
    let again = try Volume.again(FlatBytes(bytes.bytes))
    #expect(again.fingerprint == volume.fingerprint)
    for name in try volume.filesystem.list() {
      _ = try volume.change { fs throws(Errno) in try fs.unlink(name) }
    }
    _ = try volume.change(growth: 4096) { fs throws(Errno) in try fs.create("one more") }
    #expect(try Volume.again(bytes).filesystem.list() == ["one more"])
  }

  /// Catches a file without a name that stays for ever, or whose blocks do.
  @Test func `an open file without a name is gone after the server was killed`() throws {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    let number = try volume.file("/a", [UInt8](repeating: 1, count: 40_960))
    try volume.filesystem.get(number)
    _ = try volume.change { fs throws(Errno) in try fs.unlink("/a") }
    #expect(volume.filesystem.exists(number))
    let again = try Volume.again(FlatBytes(bytes.bytes))
    #expect(!again.filesystem.exists(number))
    #expect(again.filesystem.freeBlocks > volume.filesystem.freeBlocks)
  }

  /// Catches a file without a name that stays for ever, one that gets no name, or a second time, and one whose name is lost.
  @Test func `a file that never had a name may get one, and is gone after a kill otherwise`()
    throws
  {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    func make() throws -> UInt64 {
      try volume.change { fs throws(Errno) in
        let number = try fs.makeNameless(in: fs.root, Attributes(mode: 0o600))
        try fs.get(number)
        try fs.write(number, at: 0, [UInt8](repeating: 7, count: 10_000))
        return number
      }
    }
    let (named, other) = (try make(), try make())
    try volume.change { fs throws(Errno) in
      try fs.link(named, FileName("late"), in: fs.root)
    }
    #expect(volume.filesystem.links(of: named) == 1 && volume.filesystem.links(of: other) == 0)
    let again = try Volume.again(FlatBytes(bytes.bytes))
    #expect(try again.content("/late") == [UInt8](repeating: 7, count: 10_000))
    #expect(!again.filesystem.exists(other))

    _ = try volume.change { fs throws(Errno) in try fs.unlink("/late") }
    #expect(throws: Errno.noSuchFileOrDirectory) {
      try volume.filesystem.link(named, FileName("again"), in: volume.filesystem.root)
    }
    let free = volume.filesystem.freeBlocks
    try volume.change { fs throws(Errno) in
      fs.put(named)
      fs.put(other)
    }
    #expect(!volume.filesystem.exists(named) && !volume.filesystem.exists(other))
    #expect(volume.filesystem.freeBlocks > free)
  }

  /// Catches bytes of a write that was killed, which a file that grows later would show.
  @Test func `what is behind the end of a file after a kill is zero`() throws {
    let bytes = FlatBytes(blocks: 1024)
    let volume = try Volume.fresh(bytes)
    let number = try volume.file("/a", [UInt8](repeating: 1, count: 100))
    // The bytes of a write reach the block, its record does not reach the log.
    let block = Int(volume.filesystem.address(of: number, at: 0)!)
    bytes.flip(block + 150)
    let again = try Volume.again(bytes)
    _ = try again.change { fs throws(Errno) in try fs.truncate(number, to: 4096) }
    #expect(
      try again.content("/a")
        == [UInt8](repeating: 1, count: 100) + [UInt8](repeating: 0, count: 3996))
  }

  /// Catches a format that a kill leaves half done and that then is taken for somebody's data, or for a filesystem.
  @Test func `a format that is killed is begun again`() throws {
    let whole = FlatBytes(blocks: 1024)
    try Volume.format(whole, blockCount: 1024, identifier: Volume.testIdentifier)
    for cut in 0..<whole.stores {
      let killed = FlatBytes(blocks: 1024)
      killed.limit = cut
      try Volume.format(killed, blockCount: 1024, identifier: Volume.testIdentifier)
      let content = try Volume.content(of: killed)
      #expect(content == (cut == 0 ? .other : .unfinished))
    }
  }

  // MARK: Where the metadata is

  /// The first block of the log: it is in the superblock.
  static func log(_ image: [UInt8]) -> Int {
    Int(image[48..<56].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
  }

  /// Places of bytes that are not zero in superblock and log.
  static func metadataBytes(_ image: [UInt8]) -> [Int] {
    let log = log(image)
    return (Array(0..<512) + Array(log * 4096..<(log + 128) * 4096)).filter { image[$0] != 0 }
  }
}
