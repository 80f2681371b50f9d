/// A process's mapping of a file.
struct FileRegion: Sendable {
  var range: Range<UInt64>
  let namespace: Int
  let inode: UInt64
  let isPrivate: Bool
  /// Whether the filesystem counts it as a user of the inode: one that has shut down counts no new ones.
  var isCounted = true
  /// MADV_DONTFORK
  var staysBehind = false
}
