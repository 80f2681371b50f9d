/// Who a block belongs to. A shared block has several owners, a free one none.
///
/// The order is that of a reverse map: files by inode and offset, then what belongs to files, then
/// the filesystem's own.
public enum BlockOwner: Hashable, Comparable, Sendable {
  /// Data of a file or a directory: the block holds this page of it.
  case file(inode: UInt64, page: UInt64)
  /// A block of the b-tree that maps a file (bmbt, extent tree).
  case extentMap(inode: UInt64)
  /// A block of a file's attribute fork.
  case attributes(inode: UInt64)
  /// The filesystem's own.
  case metadata(Metadata)

  /// What the filesystem keeps for itself.
  public enum Metadata: UInt8, Hashable, Comparable, Sendable, CaseIterable {
    /// Superblock and, on XFS, the group headers in the same block (AGF, AGI, AGFL).
    case superblock
    /// ext4: group descriptors.
    case groupDescriptors
    /// XFS: bnobt, cntbt and AGFL blocks. ext4: block bitmaps.
    case freeSpace
    /// XFS: inobt, finobt. ext4: inode bitmaps.
    case inodeIndex
    /// XFS: an inode chunk. ext4: an inode table.
    case inodes
    case reverseMap
    case refcounts
    case log
    /// Blocks taken for a copy-on-write that no file maps yet, and what was taken ahead for the
    /// next ones.
    case copyOnWriteStaging

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
  }

  /// The file's that it belongs to, if any.
  public var inode: UInt64? {
    switch self {
    case .file(let inode, _), .extentMap(let inode), .attributes(let inode): inode
    case .metadata: nil
    }
  }

  /// The inode and the page, if it is a file's data.
  public var filePage: (inode: UInt64, page: UInt64)? {
    if case .file(let inode, let page) = self { (inode, page) } else { nil }
  }

  /// The owner `count` blocks further on in the same run.
  func advanced(by count: UInt64) -> BlockOwner {
    if case .file(let inode, let page) = self {
      .file(inode: inode, page: page &+ count)
    } else {
      self
    }
  }
}
