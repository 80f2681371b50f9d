internal import DaxModel

/// A file or a directory.
final class Inode {
  enum Kind {
    case file
    case directory
  }

  let number: UInt64
  let kind: Kind
  var size: UInt64 = 0
  var links = 1
  /// Descriptors and windows.
  var references = 0
  var extents = ExtentMap()
  /// XFS's copy-on-write fork: blocks taken for pages that still have their old ones.
  var staging = ExtentMap()
  var mapBlocks: [UInt64] = []
  /// extsize: pages that are allocated together.
  var extentHint: UInt64 = 1
  /// FS_XFLAG_DAX
  var hasDaxFlag = false
  /// Blocks were allocated or sizes changed since the last fsync.
  var isMetadataDirty = true
  /// In the inode cache: found or used since the mount.
  var isInCore = true
  /// A directory's.
  var names: [String: UInt64] = [:]
  var mapping: FileMapping?

  init(_ number: UInt64, _ kind: Kind) {
    self.number = number
    self.kind = kind
  }
}
