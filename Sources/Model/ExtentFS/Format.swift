/// What mkfs decides.
public struct Format: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case xfs
    case ext4
  }

  public var kind: Kind
  /// XFS rmapbt: the filesystem can say who owns a block, and asks to be told of failures (it is a
  /// *holder*).
  public var hasReverseMap: Bool
  /// XFS reflink: files can share blocks.
  public var hasReflink: Bool
  /// Blocks of a group (AG, block group); the last one is what is left.
  public var groupBlocks: UInt64
  /// Blocks of the log or journal.
  public var logBlocks: UInt64
  /// Where large allocations begin, blocks: 512 with `su=2m`, `stride=512`; 1 for no wish.
  public var alignment: UInt64

  /// As mkfs.xfs makes it: four groups, and a log of 64 MiB or an eighth of what is smaller.
  public static func xfs(
    blocks: UInt64, reverseMap: Bool = true, reflink: Bool = true, groups: UInt64 = 4,
    logBlocks: UInt64? = nil, alignment: UInt64 = 1
  ) -> Format {
    let groupBlocks = (blocks + groups - 1) / groups
    return Format(
      kind: .xfs, hasReverseMap: reverseMap, hasReflink: reflink, groupBlocks: groupBlocks,
      logBlocks: logBlocks ?? min(16384, groupBlocks / 8), alignment: alignment)
  }

  /// As mkfs.ext4 makes it: groups of 128 MiB and a journal of 16 MiB, or an eighth of what is
  /// smaller.
  public static func ext4(
    blocks: UInt64, logBlocks: UInt64? = nil, alignment: UInt64 = 1
  ) -> Format {
    let groupBlocks = min(32768, max(blocks, 1))
    return Format(
      kind: .ext4, hasReverseMap: false, hasReflink: false, groupBlocks: groupBlocks,
      logBlocks: logBlocks ?? min(4096, groupBlocks / 8), alignment: alignment)
  }

  /// Extents that fit into an inode; more need blocks for the map.
  var inlineExtents: Int { kind == .xfs ? 21 : 4 }

  /// Extents in one block of the map.
  var extentsPerMapBlock: Int { kind == .xfs ? 251 : 340 }
}
