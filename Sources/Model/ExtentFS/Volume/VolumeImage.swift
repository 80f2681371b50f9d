internal import OwnerIndex
internal import PmemBase

/// What a medium says, before anything is believed: read only.
struct VolumeImage {
  let superblock: Superblock
  let log: MetadataLog
  let bytes: any DeviceBytes
  let media: any Media

  /// The state that counts.
  struct State {
    var table: InodeTable
    /// The number of the next checkpoint.
    var nextEpoch: UInt64
    var isClean: Bool
  }

  /// - Throws: A superblock that is none, a medium too short, a layout that mkfs does not make.
  init(
    _ bytes: any DeviceBytes, blockCount: UInt64, media: any Media, superblockAt block: UInt64 = 0
  ) throws(ImageProblem) {
    guard block < blockCount else { throw .noSuperblock(block) }
    guard media.isReadable(blocks: block..<block + 1) else { throw .unreadable(block: block) }
    superblock = try Superblock(bytes.read(block, 0..<512), at: block)
    guard blockCount >= superblock.blockCount else {
      throw .tooShort(has: blockCount, needs: superblock.blockCount)
    }
    self.bytes = bytes
    self.media = media
    log = MetadataLog(superblock.log, on: bytes, media: media)
    guard superblock.blockCount >= Volume.leastBlocks, log.capacity > 0,
      superblock.format.groupBlocks >= 64, fresh().logRegion == superblock.log
    else { throw .layout }
  }

  /// A filesystem as mkfs makes it.
  func fresh(kernel: KernelBehavior = .v7_2) -> ExtentFS {
    ExtentFS(
      superblock.format, blockCount: superblock.blockCount, kernel: kernel, media: media,
      contents: bytes)
  }

  /// The checkpoint that counts and every record after it, all of them as they were written.
  func load() throws(ImageProblem) -> State {
    let epoch = try log.readAnchor()
    guard let header = try log.readHeader(inHalfOf: epoch), header.epoch == epoch else {
      throw .checkpoint(epoch)
    }
    let count = try log.readCount(epoch)
    var table = InodeTable()
    try apply(try log.readBody(header), to: &table, as: .checkpoint(epoch))
    var number: UInt64 = 0
    let whole = try log.readRecords(header, limit: count) { payload throws(ImageProblem) in
      number += 1
      try apply(payload, to: &table, as: .record(number, of: count))
    }
    guard whole == count else { throw .record(whole + 1, of: count) }
    let unnamed = table.removeUnnamed()
    try check(table)
    return State(
      table: table, nextEpoch: epoch + 1,
      isClean: header.flags.contains(.clean) && count == 0 && unnamed == 0)
  }

  func apply(
    _ payload: [UInt8], to table: inout InodeTable, as problem: ImageProblem
  ) throws(ImageProblem) {
    do throws(Undecodable) { try table.apply(payload) } catch { throw problem }
  }

  /// - Throws: `.contents`.
  func check(_ table: InodeTable) throws(ImageProblem) {
    let fresh = fresh()
    let problems = table.problems(
      root: fresh.root, blockCount: superblock.blockCount, fixed: fresh.fixedRuns.map(\.blocks),
      hasChunks: fresh.hasChunks)
    guard problems.isEmpty else { throw .contents(problems) }
  }
}
