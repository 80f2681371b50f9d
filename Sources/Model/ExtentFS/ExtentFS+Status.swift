public import SystemPackage

/// What stat(2) says, and what it is changed by.
public struct NodeStatus: Equatable, Sendable {
  public let number: UInt64
  public let kind: NodeKind
  public let attributes: Attributes
  /// Bytes.
  public let size: UInt64
  /// A directory has two, and one for each directory in it.
  public let links: Int
  /// Blocks it takes, those of its map too.
  public let blocks: UInt64
}

/// What statfs(2) says; blocks of 4 KiB.
public struct FilesystemStatus: Equatable, Sendable {
  public let blocks: UInt64
  public let freeBlocks: UInt64
  public let inodes: UInt64
  public let freeInodes: UInt64
}

/// What is to be changed of an inode; nil leaves it.
public struct AttributeChange: Sendable {
  public var mode: UInt16?
  public var user: UInt32?
  public var group: UInt32?
  public var accessed: Timestamp?
  public var modified: Timestamp?

  public init(
    mode: UInt16? = nil, user: UInt32? = nil, group: UInt32? = nil, accessed: Timestamp? = nil,
    modified: Timestamp? = nil
  ) {
    self.mode = mode
    self.user = user
    self.group = group
    self.accessed = accessed
    self.modified = modified
  }
}

extension ExtentFS {
  public func status(of number: UInt64) throws(Errno) -> NodeStatus {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    let isDirectory = inode.kind == .directory
    return NodeStatus(
      number: number, kind: inode.kind, attributes: inode.attributes,
      size: isDirectory ? UInt64(inode.names.nameBytes) : inode.size,
      links: isDirectory && inode.links > 0 ? inode.subdirectories + 2 : inode.links,
      blocks: inode.extents.pageCount + UInt64(inode.mapBlocks.count))
  }

  public var status: FilesystemStatus {
    let free = freeBlocks
    let count = UInt64(inodes.count)
    // As many as would fit into what is free, if nothing else did.
    let more = UInt64(freeInodes.count) + (format.kind == .xfs ? free * inodesPerBlock : 0)
    return FilesystemStatus(
      blocks: blockCount - format.logBlocks, freeBlocks: free, inodes: count + more,
      freeInodes: more)
  }

  /// chmod(2), chown(2), utimensat(2): the change time is now.
  public func change(_ number: UInt64, _ change: AttributeChange) throws(Errno) {
    try checkWritable()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    var new = inode.attributes
    if let mode = change.mode { new.mode = mode & 0o7777 }
    if let user = change.user { new.user = user }
    if let group = change.group { new.group = group }
    if let accessed = change.accessed { new.accessed = accessed }
    if let modified = change.modified { new.modified = modified }
    new.changed = clock
    inode.attributes = new
  }

  /// The content changed: modification and change time are now, and who is not the superuser's leaves no set-id
  /// bits behind; file capabilities go whoever it was. Source: `file_remove_privs`, `file_modified`,
  /// `setattr_should_drop_suidgid`, fs/inode.c; `cap_inode_need_killpriv`, security/commoncap.c.
  public func noteModified(_ number: UInt64, bySuperuser: Bool) {
    guard let inode = inodes[number] else { return }
    inode.attributes.modified = clock
    inode.attributes.changed = clock
    if inode.extended[Self.capabilities] != nil { inode.extended[Self.capabilities] = nil }
    guard !bySuperuser else { return }
    if inode.attributes.mode & 0o4000 != 0 { inode.attributes.mode &= ~0o4000 }
    if inode.attributes.mode & 0o2010 == 0o2010 { inode.attributes.mode &= ~0o2000 }
  }

  /// A store through a mapping: the times are now, unless they are later already.
  public func noteStored(_ number: UInt64) {
    guard let inode = inodes[number], inode.attributes.modified < clock else { return }
    inode.attributes.modified = clock
    inode.attributes.changed = max(inode.attributes.changed, clock)
  }

  /// What a symbolic link says.
  public func target(of number: UInt64) throws(Errno) -> [UInt8] {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    guard inode.kind == .symbolicLink else { throw .invalidArgument }
    return inode.target
  }

  /// The next byte at or behind an offset that is in a hole, or is not: lseek(2). Unwritten blocks are holes, and so is
  /// what comes after the end.
  ///
  /// - Throws: ENXIO at or behind the end, or without data behind the offset. Source: `iomap_seek_hole`, fs/iomap/seek.c.
  public func seek(_ number: UInt64, from offset: UInt64, toHole: Bool) throws(Errno) -> UInt64 {
    try checkAlive()
    let inode = try file(number)
    guard offset < inode.size else { throw .noSuchAddressOrDevice }
    var position = offset
    while position < inode.size {
      let page = position >> 12
      let extent = inode.extents.extent(at: page)
      let isHole = extent.map(\.isUnwritten) ?? true
      if isHole == toHole { return position }
      let end =
        extent?.pages.upperBound
        ?? inode.extents.endOfHole(from: page, limit: (inode.size + 4095) >> 12)
      position = end << 12
    }
    guard toHole else { throw .noSuchAddressOrDevice }
    return inode.size
  }
}

/// xattr(7)
extension ExtentFS {
  static let capabilities = FileName("security.capability")

  /// Of all names and values of an inode together (XATTR_SIZE_MAX, 64 KiB, bounds one value): so that they fit a record
  /// of the log.
  public static let maximumAttributeBytes = 131_072

  /// setxattr(2).
  ///
  /// - Parameters:
  ///   - value: nil takes it away.
  ///   - mustExist: XATTR_REPLACE if true, XATTR_CREATE if false, either if nil.
  /// - Throws: ENODATA, EEXIST, ERANGE for a name over 255 bytes or none, ENOSPC when all together are too many.
  public func setAttribute(
    _ name: FileName, of number: UInt64, to value: [UInt8]?, mustExist: Bool? = nil
  ) throws(Errno) {
    try checkWritable()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    guard !name.bytes.isEmpty, name.bytes.count <= 255, !name.bytes.contains(0) else {
      throw .outOfRange
    }
    let present = inode.extended[name]
    if present == nil, mustExist == true || value == nil { throw .noData }
    if present != nil, mustExist == false, value != nil { throw .fileExists }
    let freed = present.map { $0.count + name.bytes.count } ?? 0
    if let value {
      guard
        inode.extended.bytes - freed + value.count + name.bytes.count
          <= Self.maximumAttributeBytes
      else { throw .noSpace }
    }
    inode.extended[name] = value
    inode.attributes.changed = clock
  }

  public func attribute(_ name: FileName, of number: UInt64) throws(Errno) -> [UInt8] {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    guard let value = inode.extended[name] else { throw .noData }
    return value
  }

  public func attributeNames(of number: UInt64) throws(Errno) -> [FileName] {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    return inode.extended.values.keys.sorted()
  }
}

extension ExtentFS {
  /// Extents of a file, holes not counted, shared parts not told apart.
  public func extentCount(of number: UInt64) -> Int { inodes[number]?.extents.count ?? 0 }

  /// What FS_IOC_FSGETXATTR says: FS_XFLAG_DAX, and the extent size in bytes, 0 for none.
  public func flags(of number: UInt64) throws(Errno) -> (isDax: Bool, extentSize: UInt64) {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    return (inode.hasDaxFlag, inode.extentHint > 1 ? inode.extentHint << 12 : 0)
  }
}
