internal import ExtentFS
internal import SystemPackage

/// What files hold.
extension FuseService {
  /// Of one request: the kernel's own limit is 1 MiB.
  private static let longestTransfer: UInt64 = 16 << 20

  /// Metadata that a change of `bytes` bytes may take: an extent for each page and one at each end.
  private static func growth(_ bytes: UInt64) -> Int {
    Int(min(bytes, 1 << 40) >> 12 + 4) * 24 + 512
  }

  func open(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    guard try status(request.node).kind != .directory else { throw .isDirectory }
    return FuseOutcome(.opened)
  }

  func read(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    guard request.offset <= Self.largestFile else { throw .invalidArgument }
    let count = Int(min(request.length, Self.longestTransfer))
    return FuseOutcome(
      .bytes(try filesystem.read(inode(request.node), at: request.offset, count: count)))
  }

  /// O_APPEND writes at the end that the file has now, which the kernel need not know.
  func write(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let number = inode(request.node)
    let count = UInt64(request.data.count)
    let isAppending = request.openFlags & Self.append != 0
    let offset = isAppending ? filesystem.size(of: number) : request.offset
    guard offset < Self.largestFile, count <= Self.largestFile - offset else { throw .fileTooLarge }
    let written = try volume.change(growth: Self.growth(count)) { fs throws(Errno) in
      let written = try fs.write(number, at: offset, request.data)
      fs.noteModified(number, bySuperuser: request.user == 0)
      return written
    }
    var outcome = FuseOutcome(.count(written))
    outcome.isDurable = request.openFlags & Self.dataSync != 0
    return outcome
  }

  private static let append: UInt32 = 0o2000
  /// O_DSYNC, which O_SYNC includes.
  private static let dataSync: UInt32 = 0o10000

  /// fsync(2) of files and directories.
  func synchronize(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    guard
      try volume.change({ fs throws(Errno) in try fs.synchronize(inode(request.node)) }) == .done
    else { return waiting }
    var outcome = FuseOutcome(.done)
    outcome.isDurable = true
    return outcome
  }

  /// fallocate(2): FALLOC_FL_KEEP_SIZE 1, PUNCH_HOLE 2, ZERO_RANGE 16, UNSHARE_RANGE 64.
  func allocate(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let mode: AllocateMode
    switch request.mode & ~1 {
    case 0: mode = .allocate
    case 2 where request.mode & 1 != 0: mode = .punchHole
    case 16: mode = .zeroRange
    case 64: mode = .unshareRange
    // COLLAPSE_RANGE and INSERT_RANGE among them.
    default: throw .notSupported
    }
    let number = inode(request.node)
    guard request.length > 0 else { throw .invalidArgument }
    guard request.offset <= Self.largestFile, request.length <= Self.largestFile - request.offset
    else { throw .fileTooLarge }
    let growth = mode == .unshareRange ? Self.growth(request.length) : 4096
    let progress = try volume.change(growth: growth) { fs throws(Errno) in
      let progress = try fs.allocate(
        number, mode, at: request.offset, count: request.length,
        keepsSize: request.mode & 1 != 0)
      if progress == .done { fs.noteModified(number, bySuperuser: request.user == 0) }
      return progress
    }
    return progress == .done ? FuseOutcome(.done) : waiting
  }

  func seek(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    guard request.flags == 3 || request.flags == 4 else { throw .invalidArgument }
    return FuseOutcome(
      .offset(
        try filesystem.seek(
          inode(request.node), from: request.offset, toHole: request.flags == 4)))
  }

  /// copy_file_range(2): blocks are shared where that is possible, else bytes copied, fewer than asked for if it is many.
  ///
  /// Source: `vfs_copy_file_range`, fs/read_write.c (v6.12), which asks XFS for a clone first.
  func copyRange(_ request: FuseRequest) throws(Errno) -> FuseOutcome {
    let source = inode(request.node)
    let target = inode(request.other)
    guard request.flags == 0, request.offset <= Self.largestFile,
      request.otherOffset <= Self.largestFile
    else { throw .invalidArgument }
    guard request.length <= Self.largestFile - request.otherOffset else { throw .fileTooLarge }
    let size = try filesystem.status(of: source).size
    guard request.offset < size else { return FuseOutcome(.count(0)) }
    let count = min(request.length, size - request.offset, 1 << 30)
    let isAligned = (request.offset | request.otherOffset) & 4095 == 0
    let reachesEnd = request.offset + count == size
    if isAligned, count & 4095 == 0 || reachesEnd {
      do throws(Errno) {
        return try clone(
          source, request.offset, to: target, request.otherOffset, count, request.user,
          reply: .count(Int(count)))
      } catch .ioError {
        throw .ioError
      } catch .noSpace {
        throw .noSpace
      } catch {
        // Not a range that can be shared.
      }
    }
    let part = min(count, 1 << 20)
    let bytes = try filesystem.read(source, at: request.offset, count: Int(part))
    let written = try volume.change(growth: Self.growth(part)) { fs throws(Errno) in
      let written = try fs.write(target, at: request.otherOffset, bytes)
      fs.noteModified(target, bySuperuser: request.user == 0)
      return written
    }
    return FuseOutcome(.count(written))
  }

  /// Shares blocks; the kernel's pages of the target are stale then.
  func clone(
    _ source: UInt64, _ sourceOffset: UInt64, to target: UInt64, _ offset: UInt64,
    _ count: UInt64?, _ user: UInt32, reply: FuseReply
  ) throws(Errno) -> FuseOutcome {
    let growth = 24 * filesystem.extentCount(of: source) + 512
    let progress = try volume.change(growth: growth) { fs throws(Errno) in
      let progress = try fs.reflink(
        from: source, at: sourceOffset, to: target, at: offset, count: count)
      if progress == .done { fs.noteModified(target, bySuperuser: user == 0) }
      return progress
    }
    guard progress == .done else { return waiting }
    return FuseOutcome(reply)
  }
}
