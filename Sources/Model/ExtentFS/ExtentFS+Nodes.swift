internal import DaxModel
internal import OwnerIndex
public import SystemPackage

/// Calls that name files as the kernel's VFS does: a directory's inode and a name in it.
///
/// Who may do it is the caller's to decide. Source of the rules: fs/namei.c, fs/xfs/xfs_inode.c (v6.12).
extension ExtentFS {
  /// Names a file may have. Source: XFS_MAXLINK, EXT4_LINK_MAX.
  public var maximumLinks: Int { format.kind == .xfs ? 0x7fff_ffff : 65000 }

  /// XFS_SYMLINK_MAXLEN, bytes
  public static let maximumTarget = 1023

  public func lookup(_ name: FileName, in directory: UInt64) throws(Errno) -> UInt64 {
    guard let found = try self.directory(directory).names[name] else {
      guard name.bytes.count <= FileName.maximumLength else { throw .fileNameTooLong }
      throw .noSuchFileOrDirectory
    }
    inodes[found]?.isInCore = true
    return found
  }

  /// Makes a node. A directory with S_ISGID gives its group to what is made in it.
  ///
  /// - Parameter target: What a symbolic link says.
  /// - Throws: EEXIST, ENAMETOOLONG, EINVAL for a name that none can have, ENOENT in a directory that was removed,
  ///   EMLINK, ENOSPC, EIO, EROFS.
  ///
  /// Source: `inode_init_owner`, fs/inode.c.
  @discardableResult
  public func make(
    _ kind: NodeKind, _ name: FileName, in number: UInt64, _ attributes: Attributes,
    target: [UInt8] = []
  ) throws(Errno) -> UInt64 {
    try checkWritable()
    let directory = try directory(number)
    try check(new: name, in: directory)
    guard target.count <= Self.maximumTarget else { throw .fileNameTooLong }
    guard kind != .symbolicLink || !target.isEmpty else { throw .noSuchFileOrDirectory }
    if kind == .directory { try checkLinks(of: directory) }
    let inode = try newInode(kind, in: directory, attributes)
    inode.target = target
    if kind == .symbolicLink { inode.size = UInt64(target.count) }
    inodes[inode.number] = inode
    enter(inode, name, directory)
    return inode.number
  }

  /// open(2) with O_TMPFILE: a file that no directory names; `link` may give it a name. It goes with its last descriptor and window, or at
  /// the next mount.
  public func makeNameless(
    in number: UInt64, _ attributes: Attributes
  ) throws(Errno) -> UInt64 {
    try checkWritable()
    let inode = try newInode(.file, in: directory(number), attributes)
    inode.links = 0
    inode.isLinkable = true
    inodes[inode.number] = inode
    return inode.number
  }

  private func newInode(
    _ kind: NodeKind, in directory: Inode, _ attributes: Attributes
  ) throws(Errno) -> Inode {
    if freeInodes.isEmpty {
      guard format.kind == .xfs, addInodeChunk(near: 16) else { throw .noSpace }
    }
    let inode = Inode(freeInodes.removeLast(), kind, ledger: ledger)
    inode.attributes = attributes
    if directory.attributes.mode & 0o2000 != 0 {
      inode.attributes.group = directory.attributes.group
      if kind == .directory { inode.attributes.mode |= 0o2000 }
    }
    inode.attributes.accessed = clock
    inode.attributes.modified = clock
    inode.attributes.changed = clock
    inode.attributes.created = clock
    return inode
  }

  /// Another name for what is no directory.
  public func link(_ number: UInt64, _ name: FileName, in directory: UInt64) throws(Errno) {
    try checkWritable()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    guard inode.kind != .directory else { throw .notPermitted }
    let directory = try self.directory(directory)
    try check(new: name, in: directory)
    // A file whose last name is gone does not get one again.
    guard inode.links > 0 || inode.isLinkable else { throw .noSuchFileOrDirectory }
    guard inode.links < maximumLinks else { throw .tooManyLinks }
    enter(inode, name, directory)
    inode.links += 1
    inode.isLinkable = false
    inode.isMetadataDirty = true
    inode.attributes.changed = clock
  }

  /// Takes a name away from what is no directory.
  @discardableResult
  public func unlink(_ name: FileName, in directory: UInt64) throws(Errno) -> Progress {
    try checkWritable()
    let inode = inodes[try lookup(name, in: directory)]!
    guard inode.kind != .directory else { throw .isDirectory }
    leave(inode, name, try self.directory(directory))
    return drop(inode)
  }

  /// rmdir(2)
  @discardableResult
  public func removeDirectory(_ name: FileName, in directory: UInt64) throws(Errno) -> Progress {
    try checkWritable()
    let inode = inodes[try lookup(name, in: directory)]!
    guard inode.kind == .directory else { throw .notDirectory }
    guard inode.names.isEmpty else { throw .directoryNotEmpty }
    leave(inode, name, try self.directory(directory))
    return drop(inode)
  }

  /// What renameat2(2) may be told.
  public enum RenameMode: Sendable {
    case replace
    /// RENAME_NOREPLACE
    case noReplace
    /// RENAME_EXCHANGE
    case exchange
  }

  /// renameat2(2). What had the new name loses it; with `exchange` the two change places.
  @discardableResult
  public func rename(
    _ oldName: FileName, in oldDirectory: UInt64, to newName: FileName,
    in newDirectory: UInt64, _ mode: RenameMode = .replace
  ) throws(Errno) -> Progress {
    try checkWritable()
    let from = try directory(oldDirectory)
    let to = try directory(newDirectory)
    let inode = inodes[try lookup(oldName, in: oldDirectory)]!
    if inode.kind == .directory, isInside(to, inode) { throw .invalidArgument }
    guard let present = to.names[newName], let replaced = inodes[present] else {
      guard mode != .exchange else { throw .noSuchFileOrDirectory }
      try check(new: newName, in: to)
      if inode.kind == .directory, from !== to { try checkLinks(of: to) }
      move(inode, oldName, from, newName, to)
      return .done
    }
    if mode == .noReplace { throw .fileExists }
    if replaced === inode { return .done }
    if mode == .exchange {
      if replaced.kind == .directory, isInside(from, replaced) { throw .invalidArgument }
      if from !== to, inode.kind != replaced.kind {
        try checkLinks(of: inode.kind == .directory ? to : from)
      }
      forget(inode, from)
      forget(replaced, to)
      enter(inode, newName, to)
      enter(replaced, oldName, from)
      for changed in [inode, replaced] { changed.attributes.changed = clock }
      return .done
    }
    if replaced.kind == .directory {
      guard inode.kind == .directory else { throw .isDirectory }
      guard replaced.names.isEmpty else { throw .directoryNotEmpty }
    } else if inode.kind == .directory {
      throw .notDirectory
    }
    // The name stays where a reader of the directory finds it.
    forget(replaced, to)
    move(inode, oldName, from, newName, to)
    return drop(replaced)
  }

  /// What a directory names, from behind a place on; 0 is the beginning.
  ///
  /// - Returns: Up to `limit` entries with the place to go on from.
  public func entries(
    of number: UInt64, behind place: UInt64, limit: Int
  ) throws(Errno) -> [(place: UInt64, name: FileName, inode: UInt64, kind: NodeKind)] {
    let directory = try directory(number)
    return directory.names.entries(behind: place, limit: limit).map {
      ($0.place, $0.name, $0.inode, inodes[$0.inode]?.kind ?? .file)
    }
  }

  /// The directory above.
  public func parent(of directory: UInt64) throws(Errno) -> UInt64 {
    try self.directory(directory).parent
  }

  // MARK: Private

  func directory(_ number: UInt64) throws(Errno) -> Inode {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    guard inode.kind == .directory else { throw .notDirectory }
    return inode
  }

  /// Whether a directory may get a name that it does not have.
  private func check(new name: FileName, in directory: Inode) throws(Errno) {
    guard name.bytes.count <= FileName.maximumLength else { throw .fileNameTooLong }
    guard directory.names[name] == nil else { throw .fileExists }
    guard name.isValid else { throw .invalidArgument }
    guard directory.links > 0 else { throw .noSuchFileOrDirectory }
  }

  /// Whether a directory may get one more directory, whose ".." names it.
  private func checkLinks(of directory: Inode) throws(Errno) {
    guard directory.subdirectories + 2 < maximumLinks else { throw .tooManyLinks }
  }

  private func enter(_ inode: Inode, _ name: FileName, _ directory: Inode) {
    directory.names[name] = inode.number
    if inode.kind == .directory {
      directory.subdirectories += 1
      inode.parent = directory.number
    }
    directory.attributes.modified = clock
    directory.attributes.changed = clock
  }

  private func leave(_ inode: Inode, _ name: FileName, _ directory: Inode) {
    directory.names[name] = nil
    forget(inode, directory)
    directory.attributes.modified = clock
    directory.attributes.changed = clock
  }

  /// `directory` does not count a directory any more.
  private func forget(_ inode: Inode, _ directory: Inode) {
    if inode.kind == .directory { directory.subdirectories -= 1 }
  }

  private func move(
    _ inode: Inode, _ oldName: FileName, _ from: Inode, _ newName: FileName, _ to: Inode
  ) {
    leave(inode, oldName, from)
    enter(inode, newName, to)
    inode.isMetadataDirty = true
    inode.attributes.changed = clock
  }

  /// One name less.
  private func drop(_ inode: Inode) -> Progress {
    inode.links -= 1
    inode.isMetadataDirty = true
    inode.attributes.changed = clock
    return evictIfUnused(inode)
  }

  /// Whether `directory` is `top` or somewhere under it. Cost: its depth.
  private func isInside(_ directory: Inode, _ top: Inode) -> Bool {
    var next = directory
    while next !== top {
      guard next.number != root, let parent = inodes[next.parent] else { return false }
      next = parent
    }
    return true
  }
}
