internal import DaxModel
internal import OwnerIndex
public import SystemPackage

/// Calls that name files by paths under the mount point: `/dir/file`, with or without the first slash.
extension ExtentFS {
  /// Finds what a path names. Symbolic links are not followed.
  public func lookup(_ path: String) throws(Errno) -> UInt64 {
    try checkAlive()
    var number = root
    for name in Self.names(path) { number = try lookup(name, in: number) }
    inodes[number]?.isInCore = true
    return number
  }

  /// Makes an empty file.
  ///
  /// - Throws: EEXIST, ENOENT, ENOTDIR, ENOSPC, EIO, EROFS.
  public func create(_ path: String) throws(Errno) -> UInt64 {
    let (directory, name) = try parent(of: path)
    return try make(.file, name, in: directory, Attributes(mode: 0o644))
  }

  public func makeDirectory(_ path: String) throws(Errno) -> UInt64 {
    let (directory, name) = try parent(of: path)
    return try make(.directory, name, in: directory, Attributes(mode: 0o755))
  }

  /// What a directory names, in order.
  public func list(_ path: String = "/") throws(Errno) -> [String] {
    guard let directory = inodes[try lookup(path)], directory.kind == .directory else {
      throw .notDirectory
    }
    return directory.names.names.sorted().map(\.description)
  }

  /// Another name for a file.
  public func link(_ old: String, _ new: String) throws(Errno) {
    try checkWritable()
    let number = try lookup(old)
    let (directory, name) = try parent(of: new)
    try link(number, name, in: directory)
  }

  /// Takes a name away, of an empty directory too; the file goes with its last name, descriptor and window.
  @discardableResult
  public func unlink(_ path: String) throws(Errno) -> Progress {
    let (directory, name) = try parent(of: path)
    let inode = inodes[try lookup(name, in: directory)]
    return inode?.kind == .directory
      ? try removeDirectory(name, in: directory) : try unlink(name, in: directory)
  }

  /// Moves a name; a file that had the new one loses it.
  @discardableResult
  public func rename(_ old: String, _ new: String) throws(Errno) -> Progress {
    let (from, oldName) = try parent(of: old)
    _ = try lookup(oldName, in: from)
    let (target, newName) = try parent(of: new)
    return try rename(oldName, in: from, to: newName, in: target)
  }

  /// Every name of a file, in order.
  public func paths(of number: UInt64) -> [String] {
    var found: [String] = []
    func visit(_ directory: Inode, _ prefix: String) {
      for (name, child) in directory.names.pairs {
        let path = "\(prefix)/\(name)"
        if child == number { found.append(path) }
        if let inode = inodes[child], inode.kind == .directory { visit(inode, path) }
      }
    }
    visit(inodes[root]!, "")
    return found.sorted()
  }

  // MARK: Use

  /// One more descriptor, or one more window: the file stays, with a name or without.
  public func get(_ number: UInt64) throws(Errno) {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    inode.references += 1
    inode.isInCore = true
  }

  /// One descriptor or window less. The last one of a file without a name ends it.
  ///
  /// - Returns: `.waits` if pages of the ending file are in use (BL-08): call `evict` when they are
  ///   not.
  @discardableResult
  public func put(_ number: UInt64) -> Progress {
    guard let inode = inodes[number] else { return .done }
    precondition(inode.references > 0, "inode \(number) was put more often than taken")
    inode.references -= 1
    return evictIfUnused(inode)
  }

  /// Ends a file that nobody names or uses, if that had to wait.
  @discardableResult
  public func evict(_ number: UInt64) -> Progress {
    inodes[number].map(evictIfUnused) ?? .done
  }

  func evictIfUnused(_ inode: Inode) -> Progress {
    guard inode.links == 0, inode.references == 0 else { return .done }
    if let mapping = inode.mapping {
      let layout = mapping.evict()
      guard layout == .done else { return .waits(layout) }
    }
    cancelStaging(inode, 0..<UInt64.max >> 12)
    removeBlocks(inode, 0..<UInt64.max >> 12)
    inodes[inode.number] = nil
    ledger?.gone.append(inode)
    freeInodes.append(inode.number)
    return .done
  }

  // MARK: Private

  /// The directory that holds, or would hold, the last name of a path.
  private func parent(of path: String) throws(Errno) -> (UInt64, FileName) {
    let names = Self.names(path)
    guard let last = names.last else { throw .fileExists }
    var number = root
    try checkAlive()
    for name in names.dropLast() { number = try lookup(name, in: number) }
    guard inodes[number]?.kind == .directory else { throw .notDirectory }
    return (number, last)
  }

  private static func names(_ path: String) -> [FileName] {
    path.split(separator: "/").map { FileName($0) }
  }
}
