internal import LinuxSys

/// Whose a run of a device's bytes is.
public enum SpaceOwner: Hashable, Sendable {
  /// Data of a file, from byte `offset` of it on.
  case file(inode: UInt64, offset: UInt64)
  /// A file's extended attributes.
  case attributes(inode: UInt64)
  /// A block of the tree that maps a file.
  case extentMap(inode: UInt64)
  /// The filesystem's own, in its words.
  case metadata(String)
  case free
  /// In use; the filesystem does not say by whom.
  case unknown

  init(_ record: SpaceRecord, from byte: UInt64, kind: String) {
    if record.flags.contains(.special) {
      self = Self.special(record.owner, kind: kind)
    } else if record.flags.contains(.extentMap) {
      self = .extentMap(inode: record.owner)
    } else if record.flags.contains(.attributes) {
      self = .attributes(inode: record.owner)
    } else {
      let inside = byte > record.physical.lowerBound ? byte - record.physical.lowerBound : 0
      self = .file(inode: record.owner, offset: record.offset &+ inside)
    }
  }

  /// Owners that are no inode: a letter of the filesystem's in the upper half, a number in the lower.
  ///
  /// Source: FMR_OWN_* of linux/fsmap.h; XFS_FMR_OWN_* (fs/xfs/libxfs/xfs_fs.h), EXT4_FMR_OWN_* (fs/ext4/fsmap.h).
  private static func special(_ code: UInt64, kind: String) -> SpaceOwner {
    switch (code >> 32, code & 0xffff_ffff, kind) {
    case (0, 1, _): .free
    case (0, 2, _): .unknown
    case (0x58, 1, _): .metadata("superblock and group headers")
    case (0x58, 2, _): .metadata("log")
    case (0x58, 3, _): .metadata("free space and reverse map trees")
    case (0x58, 4, _): .metadata("inode index")
    case (0x58, 5, _): .metadata("inodes")
    case (0x58, 6, _): .metadata("reference counts")
    case (0x58, 7, _): .metadata("copy-on-write staging")
    case (0x58, 8, _): .metadata("defective blocks")
    case (0x66, 1, _): .metadata("group descriptors")
    case (0x66, 2, _): .metadata("reserved group descriptors")
    case (0x66, 3, _): .metadata("block bitmap")
    case (0x66, 4, _): .metadata("inode bitmap")
    default: .metadata("code 0x\(String(code, radix: 16)) of \(kind)")
    }
  }

  public var inode: UInt64? {
    switch self {
    case .file(let inode, _), .attributes(let inode), .extentMap(let inode): inode
    case .metadata, .free, .unknown: nil
    }
  }
}
