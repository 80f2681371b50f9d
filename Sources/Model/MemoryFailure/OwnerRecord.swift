/// One owner of a failed block, as a filesystem's reverse map lists it.
public enum OwnerRecord: Equatable, Sendable {
  /// Not a file's data: headers, b-trees, the log, inodes, attributes, blocks taken for a copy-on-write.
  case metadata
  /// A file's data. `isInCore`: the inode is in the cache; `isDax`: its pages are the device's.
  case file(inode: UInt64, page: UInt64, isInCore: Bool, isDax: Bool)
}
