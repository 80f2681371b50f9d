internal import DaxModel
internal import OwnerIndex
public import SystemPackage

extension ExtentFS {
  /// Finds what a path under the mount point names: `/dir/file`, with or without the first slash.
  public func lookup(_ path: String) throws(Errno) -> UInt64 {
    try checkAlive()
    var number = root
    for name in Self.names(path) {
      guard let directory = inodes[number], directory.kind == .directory else {
        throw .notDirectory
      }
      guard let next = directory.names[name] else { throw .noSuchFileOrDirectory }
      number = next
    }
    inodes[number]?.isInCore = true
    return number
  }

  /// Makes an empty file.
  ///
  /// - Throws: EEXIST, ENOENT, ENOTDIR, ENOSPC, EIO, EROFS.
  public func create(_ path: String) throws(Errno) -> UInt64 { try make(path, .file) }

  public func makeDirectory(_ path: String) throws(Errno) -> UInt64 {
    try make(path, .directory)
  }

  /// What a directory names, in order.
  public func list(_ path: String = "/") throws(Errno) -> [String] {
    guard let directory = inodes[try lookup(path)], directory.kind == .directory else {
      throw .notDirectory
    }
    return directory.names.keys.sorted()
  }

  /// Another name for a file.
  public func link(_ old: String, _ new: String) throws(Errno) {
    try checkWritable()
    let number = try lookup(old)
    guard inodes[number]!.kind == .file else { throw .notPermitted }
    let (directory, name) = try parent(of: new)
    guard directory.names[name] == nil else { throw .fileExists }
    directory.names[name] = number
    inodes[number]!.links += 1
    inodes[number]!.isMetadataDirty = true
  }

  /// Takes a name away; the file goes with its last name, descriptor and window.
  @discardableResult
  public func unlink(_ path: String) throws(Errno) -> Progress {
    try checkWritable()
    let (directory, name) = try parent(of: path)
    guard let number = directory.names[name], let inode = inodes[number] else {
      throw .noSuchFileOrDirectory
    }
    if inode.kind == .directory {
      guard inode.names.isEmpty else { throw .directoryNotEmpty }
    }
    directory.names[name] = nil
    inode.links -= 1
    inode.isMetadataDirty = true
    return evictIfUnused(inode)
  }

  /// Moves a name; a file that had the new one loses it.
  @discardableResult
  public func rename(_ old: String, _ new: String) throws(Errno) -> Progress {
    try checkWritable()
    let (from, oldName) = try parent(of: old)
    guard let number = from.names[oldName], let inode = inodes[number] else {
      throw .noSuchFileOrDirectory
    }
    let (target, newName) = try parent(of: new)
    if inode.kind == .directory {
      guard !Self.isInside(target, inode, inodes) else { throw .invalidArgument }
    }
    var progress = Progress.done
    if let replaced = target.names[newName] {
      if replaced == number { return .done }
      if inodes[replaced]!.kind == .directory {
        guard inode.kind == .directory else { throw .isDirectory }
        guard inodes[replaced]!.names.isEmpty else { throw .directoryNotEmpty }
      } else if inode.kind == .directory {
        throw .notDirectory
      }
      inodes[replaced]!.links -= 1
      target.names[newName] = nil
      progress = evictIfUnused(inodes[replaced]!)
    }
    from.names[oldName] = nil
    target.names[newName] = number
    inode.isMetadataDirty = true
    return progress
  }

  /// Every name of a file, in order.
  public func paths(of number: UInt64) -> [String] {
    var found: [String] = []
    func visit(_ directory: Inode, _ prefix: String) {
      for (name, child) in directory.names {
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

  // MARK: Private

  private func evictIfUnused(_ inode: Inode) -> Progress {
    guard inode.links == 0, inode.references == 0 else { return .done }
    if let mapping = inode.mapping {
      let layout = mapping.evict()
      guard layout == .done else { return .waits(layout) }
    }
    cancelStaging(inode, 0..<UInt64.max >> 12)
    removeBlocks(inode, 0..<UInt64.max >> 12)
    inodes[inode.number] = nil
    freeInodes.append(inode.number)
    return .done
  }

  private func make(_ path: String, _ kind: Inode.Kind) throws(Errno) -> UInt64 {
    try checkWritable()
    let (directory, name) = try parent(of: path)
    guard directory.names[name] == nil else { throw .fileExists }
    if freeInodes.isEmpty {
      guard format.kind == .xfs, addInodeChunk(near: 16) else { throw .noSpace }
    }
    let number = freeInodes.removeLast()
    inodes[number] = Inode(number, kind)
    directory.names[name] = number
    return number
  }

  /// The directory that holds, or would hold, the last name of a path.
  private func parent(of path: String) throws(Errno) -> (Inode, String) {
    let names = Self.names(path)
    guard let last = names.last else { throw .fileExists }
    let number = try lookup(names.dropLast().joined(separator: "/"))
    guard let directory = inodes[number], directory.kind == .directory else {
      throw .notDirectory
    }
    return (directory, last)
  }

  private static func names(_ path: String) -> [String] {
    path.split(separator: "/").map(String.init)
  }

  /// Whether `directory` is `top` or somewhere under it.
  private static func isInside(
    _ directory: Inode, _ top: Inode, _ inodes: [UInt64: Inode]
  ) -> Bool {
    if directory.number == top.number { return true }
    return top.names.values.contains { child in
      guard let inode = inodes[child], inode.kind == .directory else { return false }
      return isInside(directory, inode, inodes)
    }
  }
}
