internal import DaxModel
internal import SystemPackage

/// What the fault path asks about one inode.
final class InodeFile: DaxFile {
  private unowned let filesystem: ExtentFS
  private let media: any Media
  let inode: UInt64

  init(_ filesystem: ExtentFS, _ inode: UInt64) {
    self.filesystem = filesystem
    media = filesystem.media
    self.inode = inode
  }

  var size: UInt64 { filesystem.size(of: inode) }

  func beginMapping(_ pages: Range<UInt64>, write: Bool) throws(Errno) -> Iomap {
    try filesystem.beginMapping(inode, pages, write: write)
  }

  func endMapping(_ iomap: Iomap, write: Bool, succeeded: Bool) {
    // What changes nothing needs no filesystem.
    guard write, iomap.isShared else { return }
    filesystem.endMapping(inode, iomap, write: write, succeeded: succeeded)
  }

  func copy(_ iomap: Iomap, pages: Range<UInt64>) throws(Errno) {
    try filesystem.copy(iomap, pages)
  }

  func isReadable(blocks: Range<UInt64>) -> Bool {
    media.isReadable(blocks: blocks)
  }

  func isCopyable(blocks: Range<UInt64>) -> Bool {
    media.isCopyable(blocks: blocks)
  }

  func synchronize(_ pages: Range<UInt64>) throws(Errno) {
    _ = try filesystem.synchronize(inode)
  }
}
