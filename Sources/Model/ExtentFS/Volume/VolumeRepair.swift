internal import SystemPackage

/// fsck: what is wrong with the metadata on a medium, and what can be made of it.
public struct VolumeRepair {
  /// One thing that is wrong.
  public struct Finding: Equatable, Sendable {
    public let text: String
    /// It can be put right; `run(writing: true)` has done it.
    public let isRepairable: Bool
  }

  public private(set) var findings: [Finding] = []
  /// Files, directories and other nodes that are there in the end.
  public private(set) var inodes = 0

  public var isSound: Bool { findings.isEmpty }
  public var isRepairable: Bool { findings.allSatisfy(\.isRepairable) }

  private let bytes: any DeviceBytes
  private let blockCount: UInt64
  private let media: any Media

  /// Looks, and repairs what can be repaired if it may write. A medium that is sound is not written to.
  ///
  /// What is lost is said: records of the log behind a damaged one cannot be told from what never was.
  ///
  /// - Throws: `.unreadable` if a repair cannot be written.
  public init(
    _ bytes: any DeviceBytes, blockCount: UInt64, media: any Media = HealthyMedia(),
    writing: Bool
  ) throws(ImageProblem) {
    self.bytes = bytes
    self.blockCount = blockCount
    self.media = media
    guard let image = findSuperblock() else { return }
    let salvage: Salvage
    do throws(ImageProblem) {
      let state = try image.load()
      salvage = Salvage(table: state.table, epoch: state.nextEpoch)
    } catch {
      guard let found = self.salvage(image) else { return }
      salvage = found
    }
    inodes = salvage.table.inodes.count
    guard writing, !isSound, isRepairable else { return }
    do throws(Errno) {
      try write(salvage, image)
    } catch {
      throw .unreadable(block: image.superblock.log.lowerBound)
    }
  }

  // MARK: Private

  private struct Salvage {
    var table: InodeTable
    /// The number of the checkpoint that the repair writes.
    var epoch: UInt64
  }

  private mutating func note(_ text: String) {
    findings.append(Finding(text: text, isRepairable: true))
  }

  private mutating func giveUp(_ problem: ImageProblem) {
    findings.append(Finding(text: "\(problem)", isRepairable: false))
  }

  /// The superblock, or its copy, which is where a filesystem as large as the medium has it.
  private mutating func findSuperblock() -> VolumeImage? {
    do throws(ImageProblem) {
      let image = try VolumeImage(bytes, blockCount: blockCount, media: media)
      if let copy = image.superblock.copyBlock, media.isReadable(blocks: copy..<copy + 1),
        bytes.read(copy, 0..<512) != image.superblock.encoded
      {
        note("the copy of the superblock in block \(copy) is damaged; it is written again")
      }
      return image
    } catch {
      let copy = (blockCount + 3) / 4
      let image = try? VolumeImage(
        bytes, blockCount: blockCount, media: media, superblockAt: copy)
      guard let image, image.superblock.copyBlock == copy else {
        giveUp(error)
        return nil
      }
      note("\(error); it is written again from its copy in block \(copy)")
      return image
    }
  }

  /// The newest state that can be put together.
  private mutating func salvage(_ image: VolumeImage) -> Salvage? {
    do throws(ImageProblem) {
      let log = image.log
      let headers = [try log.readHeader(inHalfOf: 0), try log.readHeader(inHalfOf: 1)]
      let newest: UInt64
      do throws(ImageProblem) {
        newest = try log.readAnchor()
      } catch {
        guard let found = headers.compactMap({ $0?.epoch }).max() else { throw error }
        note("\(error); checkpoint \(found) is the newest there is, and taken")
        newest = found
      }
      let current = headers.compactMap(\.self).first { $0.epoch == newest }
      var table = InodeTable()
      if let current, let body = try? log.readBody(current) {
        try image.apply(body, to: &table, as: .checkpoint(newest))
      } else {
        table = try older(image, headers, than: newest, current)
      }
      if let current {
        try replay(image, current, &table)
      } else {
        note(
          "what was changed since checkpoint \(newest) is lost: nothing says where its records begin"
        )
      }
      _ = table.removeUnnamed()
      try image.check(table)
      let highest = max(newest, headers.compactMap { $0?.epoch }.max() ?? 0)
      // Not over the half that the state is from.
      let next = highest + 1
      return Salvage(table: table, epoch: next & 1 == newest & 1 ? next + 1 : next)
    } catch {
      giveUp(error)
      return nil
    }
  }

  /// The state of a damaged checkpoint, from the one before it and all its records.
  private mutating func older(
    _ image: VolumeImage, _ headers: [MetadataLog.Header?], than newest: UInt64,
    _ current: MetadataLog.Header?
  ) throws(ImageProblem) -> InodeTable {
    guard let before = headers.compactMap(\.self).first(where: { $0.epoch + 1 == newest }) else {
      throw .checkpoint(newest)
    }
    var table = InodeTable()
    try image.apply(try image.log.readBody(before), to: &table, as: .checkpoint(before.epoch))
    note(
      "\(ImageProblem.checkpoint(newest)); it is made again from checkpoint \(before.epoch) and its records"
    )
    try replay(image, before, &table)
    if let current {
      if current.flags.contains(.mount) { _ = table.removeUnnamed() }
      if current.flags.contains(.ahead) {
        note("what the last call before checkpoint \(newest) changed may be lost: no record has it")
      }
    }
    return table
  }

  /// Applies the records that are whole.
  private mutating func replay(
    _ image: VolumeImage, _ header: MetadataLog.Header, _ table: inout InodeTable
  ) throws(ImageProblem) {
    var expected: UInt64?
    do throws(ImageProblem) {
      expected = try image.log.readCount(header.epoch)
    } catch .recordCount(let number) {
      note("\(ImageProblem.recordCount(checkpoint: number)); every record that is whole is taken")
    }
    var number: UInt64 = 0
    var changed = table
    let whole = try image.log.readRecords(header, limit: expected ?? .max) {
      payload throws(ImageProblem) in
      number += 1
      try image.apply(payload, to: &changed, as: .record(number, of: expected ?? number))
    }
    table = changed
    guard let expected, whole < expected else { return }
    let lost = expected - whole
    note(
      "\(ImageProblem.record(whole + 1, of: expected)); it and what follows, the last "
        + (lost == 1 ? "change" : "\(lost) changes") + " of all, are lost")
  }

  private func write(_ salvage: Salvage, _ image: VolumeImage) throws(Errno) {
    var writer = ByteWriter()
    for number in salvage.table.inodes.keys.sorted() {
      writer.put(whole: salvage.table.inodes[number]!)
    }
    guard UInt64(writer.bytes.count) <= image.log.capacity else { throw .noSpace }
    var log = image.log
    try log.checkpoint(writer.bytes, epoch: salvage.epoch, flags: [.mount, .ahead])
    let superblock = image.superblock.encoded
    if let copy = image.superblock.copyBlock { bytes.write(copy, at: 0, superblock[...]) }
    bytes.write(0, at: 0, superblock[...])
    try bytes.synchronize()
  }
}
