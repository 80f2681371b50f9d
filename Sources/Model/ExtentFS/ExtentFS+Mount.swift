internal import DaxModel
internal import OwnerIndex
public import SystemPackage

extension ExtentFS {
  /// mount(2).
  ///
  /// - Throws: EBUSY if it is mounted; EINVAL for reflink with DAX on a partition; EIO if the
  ///   superblock cannot be read.
  ///
  /// Source: oracle `xfs-partition`, `xfs-mount-options`.
  public func mount(_ options: MountOptions = MountOptions()) throws(Errno) {
    guard !isMounted else { throw .resourceBusy }
    guard media.isReadable(blocks: 0..<1) else { throw .ioError }
    try check(options)
    state = .mounted(options)
  }

  /// umount(2). What was taken ahead for copy-on-write goes back, and inodes leave the cache.
  ///
  /// - Throws: EBUSY while a descriptor or a window is left; EINVAL if it is not mounted.
  public func unmount() throws(Errno) {
    guard isMounted else { throw .invalidArgument }
    guard !inodes.values.contains(where: { $0.references > 0 }) else { throw .resourceBusy }
    for number in inodeNumbers {
      guard let inode = inodes[number] else { continue }
      cancelStaging(inode, 0..<UInt64.max >> 12)
      settleUnzeroed(inode, 0..<UInt64.max >> 12)
      if let mapping = inode.mapping {
        _ = mapping.writeback(0..<UInt64.max >> 12)
        guard mapping.breakLayouts() == .done, mapping.evict() == .done else {
          throw .resourceBusy
        }
        inode.mapping = nil
      }
      inode.isInCore = false
    }
    space.settle()
    state = .unmounted
  }

  /// mount(2) with MS_REMOUNT: a change of `dax=` counts for inodes that are not in use, so it asks
  /// for none.
  ///
  /// - Throws: EINVAL if it is not mounted or the options do not go together; EBUSY for a change of
  ///   `dax=` with files in use; EIO after a shutdown.
  public func remount(_ options: MountOptions) throws(Errno) {
    guard let old = self.options else { throw .invalidArgument }
    guard !isShutDown else { throw .ioError }
    try check(options)
    guard old.dax == options.dax || !inodes.values.contains(where: { $0.references > 0 }) else {
      throw .resourceBusy
    }
    if old.dax != options.dax { dropCaches() }
    state = .mounted(options)
  }

  /// Stops everything: from now on every call is EIO. What is mapped stays mapped.
  public func shutDown(_ reason: ShutdownReason) {
    if case .mounted(let options) = state { state = .shutDown(options, reason) }
  }

  /// Inodes that nobody uses leave the cache, and their entries with them: what drop_caches does.
  public func dropCaches() {
    for inode in inodes.values where inode.references == 0 {
      if let mapping = inode.mapping {
        _ = mapping.writeback(0..<UInt64.max >> 12)
        guard mapping.breakLayouts() == .done, mapping.evict() == .done else { continue }
        inode.mapping = nil
      }
      settleUnzeroed(inode, 0..<UInt64.max >> 12)
      inode.isInCore = false
    }
  }

  /// Gives back what was taken ahead for copy-on-write: XFS's background collector, every five
  /// minutes.
  public func collectStaging() {
    for inode in inodes.values { cancelStaging(inode, 0..<UInt64.max >> 12) }
  }

  private func check(_ options: MountOptions) throws(Errno) {
    guard !options.isPartition || !format.hasReflink || options.dax == .never else {
      throw .invalidArgument
    }
  }

  // MARK: Guards

  func checkAlive() throws(Errno) {
    guard isMounted else { throw .noSuchFileOrDirectory }
    guard !isShutDown else { throw .ioError }
  }

  func checkWritable() throws(Errno) {
    try checkAlive()
    guard options?.isReadOnly != true else { throw .readOnlyFileSystem }
  }

  func file(_ number: UInt64) throws(Errno) -> Inode {
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    guard inode.kind == .file else { throw .isDirectory }
    inode.isInCore = true
    return inode
  }
}
