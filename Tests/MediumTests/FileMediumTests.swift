internal import LinuxSys
internal import PmemBase
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Medium

/// Runs `body` and returns the line that a user reads when it fails.
func complaint<Result>(_ body: () throws(MediumError) -> Result) -> String? {
  do throws(MediumError) {
    _ = try body()
    return nil
  } catch {
    return error.description
  }
}

/// What a file holds from its start on.
func bytes(of path: String, count: Int) throws -> [UInt8] {
  try SmallFile.bytes(path, offset: 0, count: count)
}

/// Files that keep a device's bytes.
@Suite struct `A file as medium` {
  private let mebibyte: UInt64 = 1 << 20
  private let align: UInt64 = 2 << 20

  /// Catches a file of another size, or one that is left behind open to others.
  @Test func `a file that does not exist is created with the device's size`() throws {
    let folder = try Scratch()
    let path = folder.path + "/pmem"
    let medium = try FileMedium(path: path, size: 4 * mebibyte, alignment: align)
    #expect(medium.size == 4 * mebibyte)
    #expect(medium.path == path)
    let facts = try OwnedDescriptor.openExisting(path).facts()
    #expect(facts.size == 4 * mebibyte)
    #expect(facts.mode & 0o777 == 0o600)
  }

  /// Catches a device whose bytes are lost, moved or cut when a server begins.
  @Test(arguments: ["/dev/shm", "/var/tmp"])
  func `a file that exists keeps its bytes, those after the device too`(base: String) throws {
    let folder = try Scratch(in: base)
    let path = folder.path + "/pmem"
    let marked: [UInt8] = Array("first bytes".utf8)
    _ = try FileMedium(path: path, size: 4 * mebibyte, alignment: align)
    try OwnedDescriptor.openExisting(path).truncate(to: 0)
    try SmallFile.append(marked, to: path)
    try OwnedDescriptor.openExisting(path).truncate(to: 4 * mebibyte)
    try SmallFile.append(marked, to: path)
    let medium = try FileMedium(path: path, size: 2 * mebibyte, alignment: align)
    #expect(medium.size == 2 * mebibyte)
    try medium.fill(offset: 0, length: medium.size)
    #expect(try bytes(of: path, count: marked.count) == marked)
    #expect(
      try SmallFile.bytes(path, offset: 4 * mebibyte, count: 100) == marked)
  }

  /// Catches a size that is guessed where the file has one.
  @Test func `without a size the device is as large as its file`() throws {
    let folder = try Scratch()
    let path = folder.path + "/pmem"
    _ = try FileMedium(path: path, size: 6 * mebibyte, alignment: align)
    #expect(try FileMedium(path: path, size: nil, alignment: align).size == 6 * mebibyte)
  }

  /// Catches UFFDIO_CONTINUE asked of a filesystem that cannot, and the slow way where the fast one works.
  @Test func `pages of tmpfs are installed, those of other filesystems mapped over`() throws {
    for base in ["/dev/shm", "/var/tmp", "/tmp"] {
      let folder = try Scratch(in: base)
      let path = folder.path + "/pmem"
      let medium = try FileMedium(path: path, size: align, alignment: align)
      let facts = try OwnedDescriptor.openExisting(path).facts()
      #expect(medium.kind == (facts.isOnTmpfs ? .tmpfs : .file), "\(base)")
      if case .continued = medium.insertion {
        #expect(facts.isOnTmpfs, "\(base)")
      } else {
        #expect(!facts.isOnTmpfs, "\(base)")
      }
    }
  }

  /// Catches two servers that write one file.
  @Test func `a file that another one holds is refused, and free when that one is gone`() throws {
    let folder = try Scratch()
    let path = folder.path + "/pmem"
    var holder: FileMedium? = try FileMedium(path: path, size: align, alignment: align)
    #expect(
      complaint { () throws(MediumError) in
        try FileMedium(path: path, size: nil, alignment: align)
      }
        == "\(path) is in use by another softdax server; stop that one (softdax list finds it) or name another file"
    )
    withExtendedLifetime(holder) {}
    holder = nil
    _ = try FileMedium(path: path, size: nil, alignment: align)
  }

  /// Catches refusals that do not say what to do, and files that a refusal leaves behind or changes.
  @Test func `a file that does not fit is refused in one line that says what to do`() throws {
    let folder = try Scratch()
    let path = folder.path + "/pmem"
    func open(_ path: String, _ size: UInt64?) -> String? {
      complaint { () throws(MediumError) in
        try FileMedium(path: path, size: size, alignment: align)
      }
    }
    #expect(
      open(path, nil) == "\(path) does not exist: give a size to create it, such as --size 512M")
    #expect(
      open(path, 3 * mebibyte)
        == "size 3145728 is not a multiple of the alignment 2097152; use 2097152 or 4194304, or a smaller --align"
    )
    #expect(
      open(path, 4096)
        == "size 4096 is not a multiple of the alignment 2097152; use 2097152, or a smaller --align"
    )
    #expect(open(path, 0) == "a device of size 0 cannot be; give --size, such as 512M")
    #expect(Folder.entries(folder.path).isEmpty)

    try SmallFile.write([1, 2, 3], to: path, mode: 0o600)
    #expect(
      open(path, 2 * mebibyte)
        == "\(path) has 3 bytes, too small for a device of 2097152; use --size 3 or less, or a larger file"
    )
    #expect(open(path, nil)?.hasPrefix("size 3 is not a multiple") == true)
    #expect(try bytes(of: path, count: 10) == [1, 2, 3])
    try SmallFile.write([], to: path, mode: 0o600)
    #expect(open(path, nil) == "a device of size 0 cannot be; give --size, such as 512M")

    let noFile = " is not a regular file or a /dev/daxN.M; name a file to keep the bytes in"
    #expect(open(folder.path, align) == folder.path + noFile)
    #expect(open("/dev/null", align) == "/dev/null" + noFile)
    #expect(
      open(folder.path + "/none/pmem", align)
        == "open \(folder.path)/none/pmem: No such file or directory; make the directory first, or name another file"
    )
    #expect(Folder.entries(folder.path) == ["pmem"])
  }

  /// Catches a sparse file that cannot be filled, noticed by a workload's SIGBUS.
  @Test func `a filesystem without room is said at the start`() throws {
    let folder = try Scratch(in: "/dev/shm")
    let path = folder.path + "/pmem"
    let line = complaint { () throws(MediumError) in
      try FileMedium(path: path, size: 1 << 60, alignment: align)
    }
    #expect(line?.hasPrefix("\(path): its filesystem has ") == true, "\(line ?? "accepted")")
    #expect(line?.hasSuffix(" bytes free, the device needs \(1 << 60)") == true)
    #expect(Folder.entries(folder.path).isEmpty)
  }

  /// Catches a permission that is found missing, but not by name.
  @Test(.enabled(if: ThisProcess.effectiveUser != 0, "root may write everything"))
  func `a file that may not be written is refused`() throws {
    let folder = try Scratch()
    let path = folder.path + "/pmem"
    try SmallFile.write([0], to: path, mode: 0o400)
    #expect(
      complaint { () throws(MediumError) in
        try FileMedium(path: path, size: nil, alignment: align)
      }
        == "open \(path): Permission denied; give yourself read and write access, or name another file"
    )
  }

  /// Catches the same for those who cannot run the test above: what they would read.
  @Test func `a refused permission comes with what to do`() {
    #expect(
      MediumError.system(call: "open", path: "/pmem", .permissionDenied).description
        == "open /pmem: Permission denied; give yourself read and write access, or name another file"
    )
  }
}
