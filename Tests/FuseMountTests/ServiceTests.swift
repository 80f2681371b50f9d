import ExtentFS
import FuseMount
import SystemPackage
import TestSupport
import Testing

/// A mounted filesystem without a kernel: requests go in, answers come out.
struct Bench {
  static let blocks: UInt64 = 4096
  let bytes = BlockContents()
  let volume: Volume
  let service: FuseService

  init() throws {
    try Volume.format(bytes, blockCount: Self.blocks, identifier: [UInt8](0..<16))
    volume = try Volume(mounting: bytes, blockCount: Self.blocks)
    service = FuseService(volume)
  }

  func ask(_ request: FuseRequest) -> FuseReply {
    service.handle(request, at: Timestamp(seconds: 1)).reply
  }

  /// The errno of an answer; 0 if it is none.
  func errno(_ request: FuseRequest) -> Int32 {
    if case .error(let error) = ask(request) { error } else { 0 }
  }

  func make(_ name: String, in directory: UInt64 = 1, mode: UInt32 = 0o100644) throws -> UInt64 {
    var request = FuseRequest(.make, node: directory)
    request.name = FileName(name)
    request.mode = mode
    switch ask(request) {
    case .entry(let status): return status.number
    case .error(let error): throw Errno(rawValue: error)
    default: throw Errno.ioError
    }
  }

  func write(_ node: UInt64, at offset: UInt64, _ data: [UInt8]) -> FuseReply {
    var request = FuseRequest(.write, node: node)
    request.offset = offset
    request.data = data
    return ask(request)
  }

  /// What would be there after a kill.
  func again() throws -> Volume {
    try Volume(mounting: bytes, blockCount: Self.blocks)
  }
}

@Suite struct `requests of the kernel` {
  /// Catches names that the kernel would never send, or that no directory can hold, taken for names.
  @Test func `names that cannot be are refused everywhere, and change nothing`() throws {
    let bench = try Bench()
    let file = try bench.make("file")
    let before = bench.volume.fingerprint
    let bad: [(name: [UInt8], errno: Errno)] = [
      ([], .invalidArgument), ([46], .fileExists), ([46, 46], .fileExists),
      (Array("a/b".utf8), .invalidArgument), ([97, 0, 98], .invalidArgument),
      ([UInt8](repeating: 120, count: 256), .fileNameTooLong),
      ([UInt8](repeating: 120, count: 70_000), .fileNameTooLong),
    ]
    for (name, errno) in bad {
      for operation: FuseRequest.Operation in [.make, .create, .link, .symbolicLink, .rename] {
        var request = FuseRequest(operation)
        request.name = FileName(bytes: name)
        request.mode = 0o100600
        request.other = file
        request.data = [1]
        if operation == .rename {
          request.name = "file"
          request.other = 1
          request.otherName = FileName(bytes: name)
        }
        let expected = errno == .fileExists ? Errno.invalidArgument : errno
        #expect(bench.errno(request) == expected.rawValue, "\(operation) \(name.count)")
      }
    }
    #expect(bench.volume.fingerprint == before)
  }

  /// Catches errnos that are not the kernel's.
  @Test func `what cannot be done is told by the right errno`() throws {
    let bench = try Bench()
    let file = try bench.make("file")
    let directory = try bench.make("dir", mode: 0o040755)
    _ = try bench.make("inside", in: directory)
    func errno(_ operation: FuseRequest.Operation, _ set: (inout FuseRequest) -> Void) -> Errno {
      var request = FuseRequest(operation)
      set(&request)
      return Errno(rawValue: bench.errno(request))
    }
    #expect(errno(.lookup) { $0.name = "none" } == .noSuchFileOrDirectory)
    #expect(
      errno(.lookup) {
        $0.node = file
        $0.name = "x"
      } == .notDirectory)
    #expect(errno(.unlink) { $0.name = "dir" } == .isDirectory)
    #expect(errno(.removeDirectory) { $0.name = "file" } == .notDirectory)
    #expect(errno(.removeDirectory) { $0.name = "dir" } == .directoryNotEmpty)
    #expect(
      errno(.link) {
        $0.other = directory
        $0.name = "x"
      } == .notPermitted)
    #expect(
      errno(.rename) {
        $0.name = "dir"
        $0.other = directory
        $0.otherName = "below"
      } == .invalidArgument)
    #expect(
      errno(.rename) {
        $0.name = "file"
        $0.other = 1
        $0.otherName = "dir"
      } == .isDirectory)
    #expect(
      errno(.rename) {
        $0.name = "file"
        $0.other = 1
        $0.otherName = "dir"
        $0.flags = 1
      } == .fileExists)
    #expect(
      errno(.symbolicLink) {
        $0.name = "s"
        $0.data = [UInt8](repeating: 65, count: 1024)
      } == .fileNameTooLong)
    // XFS_SYMLINK_MAXLEN
    #expect(
      errno(.symbolicLink) {
        $0.name = "long"
        $0.data = [UInt8](repeating: 65, count: 1023)
      } == Errno(rawValue: 0))
    #expect(errno(.read) { $0.node = directory } == .isDirectory)
    #expect(errno(.getAttributes) { $0.node = 999_999 } == .noSuchFileOrDirectory)
    #expect(errno(.readLink) { $0.node = file } == .invalidArgument)
    // fallocate: COLLAPSE_RANGE, INSERT_RANGE, a punch that would change the size.
    for mode: UInt32 in [8, 32, 2, 128] {
      #expect(
        errno(.allocate) {
          $0.node = file
          $0.mode = mode
          $0.length = 4096
        } == .notSupported)
    }
    #expect(
      errno(.write) {
        $0.node = file
        $0.offset = UInt64(Int64.max) - 1
        $0.data = [1, 2, 3]
      } == .fileTooLarge)
    #expect(
      errno(.setAttributes) {
        $0.node = file
        $0.changes = .size
        $0.length = 1 << 63
      } == .fileTooLarge)
    #expect(
      errno(.seek) {
        $0.node = file
        $0.flags = 3
      } == .noSuchAddressOrDevice)
    #expect(
      errno(.setExtended) {
        $0.node = file
        $0.name = "system.posix_acl_access"
        $0.data = [1]
      } == .notSupported)
    #expect(errno(.getExtended) { $0.name = "user.none" } == .noData)
    for (name, expected) in [("bogus.a", Errno.notSupported), ("user.", .invalidArgument)] {
      for operation in [FuseRequest.Operation.setExtended, .getExtended] {
        #expect(
          errno(operation) {
            $0.node = file
            $0.name = FileName(name)
          } == expected, "\(name)")
      }
    }
    // ioctl: unknown, too short, too long, not open for writing.
    let clone: UInt32 = 0x4020_da01
    #expect(errno(.control) { $0.flags = 0x5401 } == .inappropriateIOCTLForDevice)
    for count in [0, 1, 31, 33, 4096] {
      #expect(
        errno(.control) {
          $0.node = file
          $0.flags = clone
          $0.openFlags = 2
          $0.data = [UInt8](repeating: 0, count: count)
        } == .invalidArgument)
    }
    #expect(
      errno(.control) {
        $0.node = file
        $0.flags = clone
        $0.data = [UInt8](repeating: 0, count: 32)
      } == .badFileDescriptor)
    #expect(
      errno(.control) {
        $0.node = file
        $0.flags = 0xdc80_da02
        $0.data = [1, 2, 3]
        $0.length = 7296
      } == .invalidArgument)
    // FS_IOC_FIEMAP that starts behind the largest file, and at its end.
    for (start, expected) in [
      (UInt64(1) << 63, Errno.fileTooLarge), ((1 << 63) - 1, Errno(rawValue: 0)),
    ] {
      #expect(
        errno(.control) {
          $0.node = file
          $0.flags = 0xdc80_da02
          $0.data =
            (0..<8).map { UInt8(truncatingIfNeeded: start >> ($0 * 8)) } + [1]
            + [UInt8](repeating: 0, count: 23)
          $0.length = 7296
        } == expected)
    }
  }

  /// Catches file capabilities that outlive what they were given for, and other attributes that go with them. Source: `file_remove_privs`.
  @Test func `a write takes the file's capabilities, whoever writes`() throws {
    let bench = try Bench()
    let file = try bench.make("file", mode: 0o100755)
    for name in ["security.capability", "user.kept"] {
      var request = FuseRequest(.setExtended, node: file)
      request.name = FileName(name)
      request.data = [1, 2, 3]
      #expect(bench.errno(request) == 0)
    }
    _ = bench.write(file, at: 0, [1])
    for (name, expected) in [("security.capability", Errno.noData.rawValue), ("user.kept", 0)] {
      var request = FuseRequest(.getExtended, node: file)
      request.name = FileName(name)
      request.length = 16
      #expect(bench.errno(request) == expected, "\(name)")
    }
  }

  /// Catches names of root's that everybody is told.
  @Test func `only root is told of trusted attributes`() throws {
    let bench = try Bench()
    let file = try bench.make("file")
    for name in ["trusted.a", "user.a"] {
      var request = FuseRequest(.setExtended, node: file)
      request.name = FileName(name)
      #expect(bench.errno(request) == 0)
    }
    for (user, expected) in [(UInt32(0), "trusted.a\0user.a\0"), (1000, "user.a\0")] {
      var request = FuseRequest(.listExtended, node: file)
      request.user = user
      request.length = 100
      guard case .bytes(let bytes) = bench.ask(request) else {
        Issue.record("no list")
        continue
      }
      #expect(String(decoding: bytes, as: UTF8.self) == expected)
    }
  }

  /// Catches extents that are longer than what was asked for, or that begin before it.
  @Test func `FIEMAP tells of the part that is asked for`() throws {
    let bench = try Bench()
    let file = try bench.make("file")
    _ = bench.write(file, at: 0, [UInt8](repeating: 1, count: 8 * 4096))
    func extents(_ start: UInt64, _ length: UInt64) throws -> [(UInt64, UInt64, UInt64, UInt32)] {
      var request = FuseRequest(.control, node: file)
      request.flags = 0xdc80_da02
      request.length = 7296
      request.data =
        [start, length, 10].flatMap { number in
          (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        } + [UInt8](repeating: 0, count: 8)
      guard case .control(let bytes) = bench.ask(request) else { throw Errno.ioError }
      func number(_ at: Int, _ count: Int) -> UInt64 {
        bytes[at..<at + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
      }
      return (0..<Int(number(20, 4))).map { index in
        let at = 32 + 32 * index
        return (
          number(at, 8), number(at + 8, 8), number(at + 16, 8), UInt32(number(at + 24, 4))
        )
      }
    }
    let whole = try #require(try extents(0, 8 * 4096).first)
    #expect(whole.0 == 0 && whole.2 == 8 * 4096 && whole.3 & 1 == 1)
    let part = try extents(3 * 4096 + 5, 4096)
    #expect(part.count == 1)
    #expect(part[0].0 == 3 * 4096 && part[0].1 == whole.1 + 3 * 4096)
    #expect(part[0].2 == 2 * 4096 && part[0].3 & 1 == 1)
  }

  /// Catches a file that another user may not read, cloned by the ioctl that stands for FICLONE.
  @Test func `a clone needs the right to read its source`() throws {
    let bench = try Bench()
    let secret = try bench.make("secret", mode: 0o100600)
    _ = bench.write(secret, at: 0, [1, 2, 3])
    let mine = try bench.make("mine", mode: 0o100666)
    var request = FuseRequest(.control, node: mine)
    request.flags = 0x4020_da01
    request.openFlags = 2
    request.user = 1000
    request.group = 1000
    request.data = (0..<8).map { UInt8(truncatingIfNeeded: secret >> (8 * $0)) }
    request.data += [UInt8](repeating: 0, count: 24)
    #expect(bench.errno(request) == Errno.permissionDenied.rawValue)
    request.user = 0
    #expect(bench.errno(request) == 0)
    #expect(bench.volume.filesystem.size(of: mine) == 3)
  }

  /// Catches a full medium that loses what was there, or does not get well when something is removed.
  @Test func `no space is ENOSPC, nothing is lost, and removing makes room`() throws {
    let bench = try Bench()
    let kept = try bench.make("kept")
    _ = bench.write(kept, at: 0, [UInt8](repeating: 5, count: 100_000))
    let filler = try bench.make("filler")
    let chunk = [UInt8](repeating: 6, count: 1 << 20)
    var offset: UInt64 = 0
    var error: Int32 = 0
    while error == 0 {
      switch bench.write(filler, at: offset, chunk) {
      case .count(let count): offset += UInt64(count)
      case .error(let number): error = number
      default: return
      }
    }
    #expect(error == Errno.noSpace.rawValue)
    #expect(bench.volume.filesystem.status.freeBlocks == 0)
    #expect(
      try bench.volume.filesystem.read(kept, at: 0, count: 200_000)
        == [UInt8](repeating: 5, count: 100_000))
    #expect(try bench.again().fingerprint == bench.volume.fingerprint)
    var request = FuseRequest(.unlink)
    request.name = "filler"
    #expect(bench.errno(request) == 0)
    bench.service.forget(filler, count: .max)
    #expect(bench.volume.filesystem.status.freeBlocks > 3000)
  }

  /// Catches a directory whose reader misses or repeats names while others come and go.
  @Test func `a reader of a directory finds every name that stays, once`() throws {
    let bench = try Bench()
    for index in 0..<200 { _ = try bench.make("name-\(index)") }
    var seen: [String] = []
    var place: UInt64 = 0
    var turn = 0
    while true {
      var request = FuseRequest(.readDirectory)
      request.offset = place
      request.length = 512
      guard case .bytes(let bytes) = bench.ask(request), !bytes.isEmpty else { break }
      var position = 0
      while position < bytes.count {
        let count = Int(bytes[position + 16])
        place = (0..<8).reduce(0) { $0 | UInt64(bytes[position + 8 + $1]) << (8 * $1) }
        seen.append(String(decoding: bytes[position + 24..<position + 24 + count], as: UTF8.self))
        position += (24 + count + 7) & ~7
      }
      var removal = FuseRequest(.unlink)
      removal.name = FileName("name-\(turn * 2)")
      _ = bench.ask(removal)
      // Not for ever: a reader that is followed by a writer never comes to the end.
      if turn < 10 { _ = try bench.make("new-\(turn)") }
      turn += 1
    }
    let stayed = (0..<200).map { "name-\($0)" }.filter { bench.exists($0) }
    #expect(Set(seen).count == seen.count)
    #expect(Set(stayed).isSubset(of: Set(seen)))
    #expect(seen.prefix(2) == [".", ".."])
  }

  /// Catches a request that stops the server, or a state that does not mount again: fields that no kernel would send, for every operation.
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func `no request whatever stops the filesystem or harms it`(seed: UInt64) throws {
    let bench = try Bench()
    var random = SeededGenerator(seed: seed)
    var nodes: [UInt64] = [1, 0, .max, 128, 7]
    for name in ["a", "b"] { nodes.append(try bench.make(name)) }
    nodes.append(try bench.make("d", mode: 0o040755))
    let numbers: [UInt64] = [
      0, 1, 2, 511, 4095, 4096, 4097, 65536, 1 << 20, 1 << 31, 1 << 40, 1 << 62,
      UInt64(Int64.max), 1 << 63, .max, .max - 4095,
    ]
    let names: [FileName] = ["a", "b", "c", "d", "e", "..", ".", "", "x/y", "user.a", "system.b"]
    for _ in 0..<3000 {
      var request = FuseRequest(
        FuseRequest.Operation.allCases.randomElement(using: &random)!,
        node: nodes.randomElement(using: &random)!)
      request.other = nodes.randomElement(using: &random)!
      request.user = Bool.random(using: &random) ? 0 : .random(in: 0...UInt32.max, using: &random)
      request.offset = numbers.randomElement(using: &random)!
      request.otherOffset = numbers.randomElement(using: &random)!
      request.length = numbers.randomElement(using: &random)!
      request.mode = [0, 1, 2, 3, 16, 17, 64, 0o100644, 0o040755, 0o120777, .max]
        .randomElement(using: &random)!
      request.flags = [
        0, 1, 2, 3, 4, 0x4020_da01, 0xdc80_da02, 0x4018_da04, 0x801c_581f, 0x401c_5820, .max,
      ]
      .randomElement(using: &random)!
      request.openFlags = [0, 1, 2, 0o2001, .max].randomElement(using: &random)!
      request.changes = .init(rawValue: .random(in: 0...255, using: &random))
      request.accessed = Timestamp(
        seconds: .min, nanoseconds: Bool.random(using: &random) ? 5 : .max)
      request.name = names.randomElement(using: &random)!
      request.otherName = names.randomElement(using: &random)!
      let count = [0, 1, 24, 28, 32, 5000].randomElement(using: &random)!
      request.data = (0..<count).map { _ in .random(in: 0...255, using: &random) }
      let outcome = bench.service.handle(request, at: Timestamp(seconds: 2))
      switch outcome.reply {
      case .entry(let status), .created(let status): nodes.append(status.number)
      default: break
      }
    }
    #expect(!bench.volume.filesystem.isShutDown)
    #expect(
      try VolumeRepair(bench.bytes, blockCount: Bench.blocks, writing: false).isSound)
    // Names that the kernel no longer knows go at the next mount, as after a kill.
    let again = try bench.again()
    for number in Set(nodes) { bench.service.forget(number, count: .max) }
    let isSame = again.fingerprint == bench.volume.fingerprint
    #expect(isSame)
  }
}

extension Bench {
  func exists(_ name: String) -> Bool {
    (try? volume.filesystem.lookup("/" + name)) != nil
  }
}

@Suite struct `links` {
  /// Catches a count of links that wraps: ext4's limit is one that a test can reach.
  @Test func `too many links are EMLINK`() throws {
    let fs = ExtentFS(.ext4(blocks: 4096), blockCount: 4096)
    try fs.mount()
    let number = try fs.create("/f")
    for index in 1..<65_000 { try fs.link(number, FileName("n\(index)"), in: fs.root) }
    #expect(throws: Errno.tooManyLinks) { try fs.link(number, "more", in: fs.root) }
    try fs.unlink("/f")
    try fs.link(number, "more", in: fs.root)
    #expect(fs.links(of: number) == 65_000)
  }
}
