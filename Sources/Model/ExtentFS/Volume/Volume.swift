public import PmemBase
public import SystemPackage

/// An extent filesystem whose metadata is on its medium: what mounts again after the server was killed at any moment.
///
/// Every call that changes something is made inside ``change(growth:_:)``, which writes what changed as one record of the log before it
/// returns. Bytes of files are where their blocks are; they need no log. One thread at a time.
public final class Volume {
  public let filesystem: ExtentFS
  let superblock: Superblock
  private var log: MetadataLog
  private let ledger: ChangeLedger
  /// At most what a checkpoint takes now, and may take.
  private var metadataBytes = 0
  private let limit: Int
  private var isClosed = false

  /// Blocks of 4 KiB that a filesystem needs at least.
  public static let leastBlocks: UInt64 = 1024

  // MARK: Beginning

  /// What a medium holds, as its first block says.
  public enum Content: Sendable {
    case filesystem
    /// A format that did not come to its end: nothing of it is of use.
    case unfinished
    case other
  }

  /// - Throws: `.unreadable`.
  public static func content(
    of bytes: any DeviceBytes, media: any Media = HealthyMedia()
  ) throws(ImageProblem) -> Content {
    guard media.isReadable(blocks: 0..<1) else { throw .unreadable(block: 0) }
    let magic = bytes.read(0, 0..<8)
    return magic == wholeMagic.bytes ? .filesystem : magic == partMagic.bytes ? .unfinished : .other
  }

  private static let wholeMagic = Word("SOFTDAXF")
  private static let partMagic = Word("SOFTDAX?")

  private struct Word {
    let bytes: [UInt8]
    init(_ text: String) { bytes = Array(text.utf8) }
    var number: UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
  }

  /// mkfs: makes an empty filesystem; whatever the medium held is lost. It counts from one store on, the last.
  ///
  /// - Parameters:
  ///   - identifier: 16 bytes, no two filesystems' alike.
  ///   - owner: Whom the root directory belongs to.
  ///   - wanted: What mkfs is told; nil: XFS for this size.
  /// - Throws: `.tooSmall`, `.unreadable`.
  public static func format(
    _ bytes: any DeviceBytes, blockCount: UInt64, identifier: [UInt8],
    owner: Attributes = Attributes(mode: 0o755), media: any Media = HealthyMedia(),
    as wanted: Format? = nil
  ) throws(ImageProblem) {
    guard blockCount >= leastBlocks else { throw .tooSmall(blocks: blockCount, least: leastBlocks) }
    let format = wanted ?? Self.format(blockCount)
    let ledger = ChangeLedger()
    let filesystem = ExtentFS(format, blockCount: blockCount, media: media, contents: bytes)
    guard let region = filesystem.logRegion, UInt64(region.count) == format.logBlocks else {
      throw .layout
    }
    var table = InodeTable()
    do throws(Undecodable) {
      var writer = ByteWriter()
      let root = filesystem.inodes[filesystem.root]!
      root.attributes = owner
      writer.put(whole: root)
      try table.apply(writer.bytes)
    } catch {
      throw .layout
    }
    let superblock = Superblock(
      identifier: identifier, blockCount: blockCount, format: format, log: region)
    filesystem.install(table, ledger: ledger)
    bytes.publish(partMagic.number, 0, at: 0)
    var log = MetadataLog(region, on: bytes, media: media)
    do throws(Errno) {
      try log.checkpoint(body(of: filesystem), epoch: 1, flags: [.clean, .mount])
      if let copy = superblock.copyBlock {
        bytes.write(copy, at: 0, superblock.encoded[...])
      }
      bytes.write(0, at: 8, superblock.encoded[8...])
      try bytes.synchronize()
      bytes.publish(wholeMagic.number, 0, at: 0)
      try bytes.synchronize()
    } catch {
      throw .unreadable(block: region.lowerBound)
    }
  }

  /// Four groups, a sixteenth of the device for the log, huge pages where there is room.
  private static func format(_ blocks: UInt64) -> Format {
    .xfs(
      blocks: blocks, logBlocks: min(1 << 18, max(128, blocks / 16)), alignment: 512)
  }

  /// mount(2) of what `format` made, whatever happened since.
  ///
  /// - Throws: What is wrong with the medium; nothing on it has changed then, and `VolumeRepair` says what can be done.
  public init(
    mounting bytes: any DeviceBytes, blockCount: UInt64, media: any Media = HealthyMedia(),
    kernel: KernelBehavior = .v7_2
  ) throws(ImageProblem) {
    let image = try VolumeImage(bytes, blockCount: blockCount, media: media)
    let state = try image.load()
    superblock = image.superblock
    filesystem = image.fresh(kernel: kernel)
    ledger = ChangeLedger()
    log = image.log
    limit = Int(image.log.capacity / 8 * 5)
    filesystem.install(state.table, ledger: ledger)
    if !state.isClean { filesystem.clearTails() }
    do throws(Errno) {
      try log.checkpoint(
        Self.body(of: filesystem), epoch: state.nextEpoch, flags: .mount)
      try filesystem.mount()
    } catch {
      throw .unreadable(block: image.superblock.log.lowerBound)
    }
    for inode in filesystem.inodes.values {
      inode.recordedBytes = inode.encodedBytes
      metadataBytes += inode.recordedBytes
    }
  }

  // MARK: Changing

  /// Makes a call that may change something, and writes to the log what it changed, whether it failed or not.
  ///
  /// - Parameter growth: Bytes of metadata that the call may add; 0 for one that must go on a full medium too.
  /// - Throws: What the call throws; ENOSPC if there is no room for what it may add; EIO if the log cannot be written: the filesystem
  ///   is shut down then, as XFS does.
  public func change<Result>(
    growth: Int = 0, _ call: (ExtentFS) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    guard growth == 0 || metadataBytes + growth <= limit || filesystem.isShutDown else {
      throw .noSpace
    }
    let result: Result
    do throws(Errno) {
      result = try call(filesystem)
    } catch {
      try commit()
      throw error
    }
    try commit()
    return result
  }

  /// Writes what changed as one record.
  private func commit() throws(Errno) {
    guard !ledger.isEmpty else { return }
    // A transaction that was given up half-way is not to be seen again.
    guard !filesystem.isShutDown, !isClosed else { return }
    var writer = ByteWriter()
    for inode in ledger.gone {
      writer.put(gone: inode.number)
      metadataBytes -= inode.recordedBytes
      inode.recordedBytes = 0
    }
    for inode in ledger.changed where filesystem.inodes[inode.number] === inode {
      writer.put(changesOf: inode)
      let bytes = inode.encodedBytes
      metadataBytes += bytes - inode.recordedBytes
      inode.recordedBytes = bytes
      inode.clearChanges()
    }
    ledger.gone = []
    ledger.changed = []
    do throws(Errno) {
      if MetadataLog.recordSize(writer.bytes.count) <= log.room {
        try log.append(writer.bytes)
        // Half-full of records: the next checkpoint has nothing that the log has not.
        if log.room < log.capacity / 8 { try checkpoint([]) }
      } else {
        try checkpoint(.ahead)
      }
    } catch {
      filesystem.shutDown(.corruptOnDisk)
      throw .ioError
    }
    filesystem.space.settle()
  }

  private func checkpoint(_ flags: MetadataLog.Header.Flags) throws(Errno) {
    let body = Self.body(of: filesystem)
    guard body.count <= log.capacity else { throw .noSpace }
    try log.checkpoint(body, epoch: log.epoch + 1, flags: flags)
  }

  private static func body(of filesystem: ExtentFS) -> [UInt8] {
    var writer = ByteWriter()
    for number in filesystem.inodeNumbers { writer.put(whole: filesystem.inodes[number]!) }
    return writer.bytes
  }

  /// Returns when everything up to here will outlast the host: fsync(2), syncfs(2).
  public func synchronize() throws(Errno) {
    guard !filesystem.isShutDown else { throw .ioError }
    try filesystem.contents.synchronize()
  }

  // MARK: The end

  /// umount(2), whoever still has files open: they lose them. After a shutdown nothing more is written.
  public func unmount() throws(Errno) {
    guard !isClosed else { return }
    defer { isClosed = true }
    guard !filesystem.isShutDown else { return }
    for inode in filesystem.inodes.values where inode.references > 0 {
      inode.references = 0
      filesystem.evict(inode.number)
    }
    try filesystem.unmount()
    let body = Self.body(of: filesystem)
    try log.checkpoint(body, epoch: log.epoch + 1, flags: [.clean, .ahead])
  }

  /// All metadata, the same for the same state: what tests compare.
  public var fingerprint: [UInt8] { Self.body(of: filesystem) }

  /// The identifier it was formatted with.
  public var identifier: [UInt8] { superblock.identifier }
}
