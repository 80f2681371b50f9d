/// A process's mapping of a file.
struct FileRegion: Sendable {
  var range: Range<UInt64>
  let namespace: Int
  let inode: UInt64
  let isPrivate: Bool
  /// VM_SHARED, which a mapping of a descriptor for reading has not: msync has work to do.
  ///
  /// Source: `do_mmap`, mm/mmap.c; `msync`, mm/msync.c (v6.1, v7.3); xfs-msync-readonly.scn.
  let isWrittenBack: Bool
  /// Whether the filesystem counts it as a user of the inode: one that has shut down counts no new ones.
  var isCounted = true
  /// MADV_DONTFORK
  var staysBehind = false
}
