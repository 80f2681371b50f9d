/// The first block: what the filesystem is, and where its log is. Written once, when the medium is formatted; a copy is
/// in the first block of the second group.
struct Superblock: Equatable {
  static let version: UInt32 = 1
  private static let magic: [UInt8] = Array("SOFTDAXF".utf8)
  private static let size = 512

  var identifier: [UInt8]
  var blockCount: UInt64
  var format: Format
  var log: Range<UInt64>

  /// - Throws: What is wrong.
  init(_ bytes: [UInt8], at block: UInt64) throws(ImageProblem) {
    guard bytes.starts(with: Self.magic) else { throw .noSuperblock(block) }
    var reader = ByteReader(bytes, from: Self.magic.count)
    guard let version = try? reader.take(UInt32.self), let sum = try? reader.take(UInt32.self),
      sum == Self.checksum(bytes)
    else { throw .superblock(block) }
    guard version == Self.version else { throw .version(version) }
    do throws(Undecodable) {
      identifier = try reader.take(bytes: 16)
      blockCount = try reader.take()
      let groupBlocks: UInt64 = try reader.take()
      let start: UInt64 = try reader.take()
      let logBlocks: UInt64 = try reader.take()
      let alignment: UInt64 = try reader.take()
      let flags: UInt32 = try reader.take()
      format = Format(
        kind: flags & 4 != 0 ? .ext4 : .xfs, hasReverseMap: flags & 1 != 0,
        hasReflink: flags & 2 != 0,
        groupBlocks: groupBlocks, logBlocks: logBlocks, alignment: alignment)
      guard (1..<1 << 48).contains(blockCount), (1...blockCount).contains(groupBlocks),
        (1...blockCount).contains(logBlocks), start <= blockCount - logBlocks,
        (1...1 << 30).contains(alignment)
      else { throw Undecodable() }
      log = start..<start + logBlocks
    } catch {
      throw .superblock(block)
    }
  }

  init(identifier: [UInt8], blockCount: UInt64, format: Format, log: Range<UInt64>) {
    self.identifier = identifier
    self.blockCount = blockCount
    self.format = format
    self.log = log
  }

  /// Where the copy is; nil where there is one group only.
  var copyBlock: UInt64? { format.groupBlocks < blockCount ? format.groupBlocks : nil }

  var encoded: [UInt8] {
    var writer = ByteWriter()
    writer.put(Self.magic)
    writer.put(Self.version)
    writer.put(UInt32(0))
    writer.put(identifier)
    writer.put(blockCount)
    writer.put(format.groupBlocks)
    writer.put(log.lowerBound)
    writer.put(UInt64(log.count))
    writer.put(format.alignment)
    writer.put(
      UInt32(format.hasReverseMap ? 1 : 0) | UInt32(format.hasReflink ? 2 : 0)
        | UInt32(format.kind == .ext4 ? 4 : 0))
    var bytes = writer.bytes + [UInt8](repeating: 0, count: Self.size - writer.bytes.count)
    let sum = Self.checksum(bytes)
    for byte in 0..<4 { bytes[12 + byte] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(byte))) }
    return bytes
  }

  /// Of all but itself.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    guard bytes.count >= size else { return 0 }
    var covered = Array(bytes[..<size])
    for index in 12..<16 { covered[index] = 0 }
    return Checksum.of(covered)
  }
}
