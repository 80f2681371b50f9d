internal import DaxModel
internal import ExtentFS
internal import SystemPackage

/// ioctl(2): what the kernel passes on, and what the shim makes of what it does not (softdax_fuse.h).
extension FuseService {
  private static let cloneCommand: UInt32 = 0x4020_da01
  private static let extentsCommand: UInt32 = 0xdc80_da02
  private static let windowCommand: UInt32 = 0x8008_da03
  private static let pinCommand: UInt32 = 0x4018_da04
  /// FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
  private static let getFlagsCommand: UInt32 = 0x801c_581f
  private static let setFlagsCommand: UInt32 = 0x401c_5820

  func control(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let number = inode(request.node)
    switch request.flags {
    case Self.cloneCommand: return try clone(request, number)
    case Self.windowCommand: return try nameWindow(request, number)
    case Self.extentsCommand: return try extents(request, number)
    case Self.pinCommand: return try pin(request, number)
    case Self.getFlagsCommand: return try getFlags(request, number)
    case Self.setFlagsCommand: return try setFlags(request, number)
    default: throw .inappropriateIOCTLForDevice
    }
  }

  /// A number by which whoever has the descriptor may map the file.
  private func nameWindow(_ request: FuseRequest, _ number: UInt64) throws(Errno) -> FuseOutcome {
    let status = try filesystem.status(of: number)
    guard offersWindows, status.kind == .file, filesystem.isDax(number),
      let access = AccessMode(rawValue: request.openFlags & 3)
    else { throw .inappropriateIOCTLForDevice }
    guard request.length >= 8 else { throw .invalidArgument }
    var writer = LittleEndian()
    writer.put(
      handles.number(
        of: WindowHandles.File(
          inode: number, access: access, created: status.attributes.created),
        isThere: isThere))
    return FuseOutcome(.control(writer.bytes))
  }

  /// The file that a number was given for, and not another with its inode's number.
  func isThere(_ file: WindowHandles.File) -> Bool {
    (try? filesystem.status(of: file.inode).attributes.created) == file.created
  }

  /// FICLONE, FICLONERANGE. That the source may be read is checked here, by its owner, group and mode: the caller's descriptor of
  /// it never comes this way.
  private func clone(_ request: FuseRequest, _ target: UInt64) throws(Errno) -> FuseOutcome {
    guard request.data.count == 32 else { throw .invalidArgument }
    let numbers = (0..<4).map { LittleEndian.number(request.data, at: 8 * $0, UInt64.self) }
    guard request.openFlags & 3 != 0, request.openFlags & 0o2000 == 0 else {
      throw .badFileDescriptor
    }
    let source = inode(numbers[0])
    let status = try filesystem.status(of: source)
    guard status.kind != .directory else { throw .isDirectory }
    guard status.kind == .file else { throw .invalidArgument }
    guard mayRead(status, request) else { throw .permissionDenied }
    let limit = Self.largestFile
    guard numbers[1] <= limit, numbers[2] <= limit, numbers[3] <= limit - numbers[2] else {
      throw .invalidArgument
    }
    var outcome = try clone(
      source, numbers[1], to: target, numbers[3], numbers[2] == 0 ? nil : numbers[2],
      request.user, reply: .control([]))
    outcome.stale = request.node
    return outcome
  }

  private func mayRead(_ status: NodeStatus, _ request: FuseRequest) -> Bool {
    let mode = status.attributes.mode
    if request.user == 0 { return true }
    if request.user == status.attributes.user { return mode & 0o400 != 0 }
    return mode & (request.group == status.attributes.group ? 0o040 : 0o004) != 0
  }

  /// FS_IOC_FIEMAP, a few extents at a time, as far as they are asked for.
  ///
  /// Source: `iomap_fiemap`, fs/iomap/fiemap.c; `xfs_read_iomap_begin`, fs/xfs/xfs_iomap.c (v6.1, v7.3).
  private func extents(_ request: FuseRequest, _ number: UInt64) throws(Errno) -> FuseOutcome {
    guard request.data.count >= 32, request.length == 7296 else { throw .invalidArgument }
    guard try filesystem.status(of: number).kind == .file else { throw .notSupported }
    let start = LittleEndian.number(request.data, at: 0, UInt64.self)
    guard start <= Self.largestFile else { throw .fileTooLarge }
    let length = LittleEndian.number(request.data, at: 8, UInt64.self)
    let room = LittleEndian.number(request.data, at: 16, UInt32.self)
    let end = start.addingReportingOverflow(length).overflow ? UInt64.max : start + length
    let asked = start >> 12..<max(start >> 12, end >> 12 + (end & 4095 == 0 ? 0 : 1))
    let found = filesystem.extents(of: number).filter { $0.pages.overlaps(asked) }
    var writer = LittleEndian()
    writer.put(start)
    writer.put(length)
    writer.put(room)
    writer.put(UInt32(room == 0 ? found.count : min(found.count, Int(room), 227)))
    writer.put(UInt64(0))
    for (index, extent) in found.prefix(min(Int(room), 227)).enumerated() {
      let pages = extent.pages.clamped(to: asked)
      writer.put(pages.lowerBound << 12)
      writer.put((extent.block + (pages.lowerBound - extent.pages.lowerBound)) << 12)
      writer.put(UInt64(pages.count) << 12)
      // FIEMAP_EXTENT_LAST (of what was asked for), UNWRITTEN, SHARED
      let isLast: UInt32 = index == found.count - 1 ? 1 : 0
      writer.put(isLast | (extent.isUnwritten ? 0x800 : 0) | (extent.isShared ? 0x2000 : 0))
      writer.put(UInt32(0))
    }
    return FuseOutcome(
      .control(writer.bytes + [UInt8](repeating: 0, count: 7296 - writer.bytes.count)))
  }

  /// `struct fsxattr`: flags, extent size, extents, project, copy-on-write extent size, 8 bytes.
  private func getFlags(_ request: FuseRequest, _ number: UInt64) throws(Errno) -> FuseOutcome {
    guard request.length >= 28 else { throw .invalidArgument }
    let flags = try filesystem.flags(of: number)
    var writer = LittleEndian()
    writer.put(
      UInt32((flags.isDax ? Self.daxFlag : 0) | (flags.extentSize > 0 ? Self.sizeFlag : 0)))
    writer.put(UInt32(flags.extentSize))
    writer.put(UInt32(filesystem.extentCount(of: number)))
    for _ in 0..<4 { writer.put(UInt32(0)) }
    return FuseOutcome(.control(writer.bytes))
  }

  /// FS_XFLAG_DAX, FS_XFLAG_EXTSIZE
  private static let daxFlag: UInt32 = 0x8000
  private static let sizeFlag: UInt32 = 0x800

  private func setFlags(_ request: FuseRequest, _ number: UInt64) throws(Errno) -> FuseOutcome {
    guard request.data.count >= 28 else { throw .invalidArgument }
    let status = try filesystem.status(of: number)
    guard request.user == 0 || request.user == status.attributes.user else { throw .notPermitted }
    let flags = LittleEndian.number(request.data, at: 0, UInt32.self)
    let size = LittleEndian.number(request.data, at: 4, UInt32.self)
    guard flags & ~(Self.daxFlag | Self.sizeFlag) == 0 else { throw .notSupported }
    guard status.kind == .file else { throw .notSupported }
    try volume.change { fs throws(Errno) in
      try fs.setExtentSize(number, flags & Self.sizeFlag != 0 ? UInt64(size) : 0)
      try fs.setDaxFlag(number, flags & Self.daxFlag != 0)
    }
    return FuseOutcome(.control([]))
  }
}
