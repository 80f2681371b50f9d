/// A process's mapping of a file.
struct FileRegion: Sendable {
  var range: Range<UInt64>
  let namespace: Int
  let inode: UInt64
  let isPrivate: Bool
  /// MADV_DONTFORK
  var staysBehind = false
}
