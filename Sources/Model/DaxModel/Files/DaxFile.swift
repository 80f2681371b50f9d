public import SystemPackage

/// What fs-dax asks of a filesystem about one file: the half of the fault path that is not the
/// kernel's `fs/dax.c`.
///
/// Pages are those of the file, blocks those of the device; both in 4 KiB units.
public protocol DaxFile: AnyObject {
  /// Names the file in folios' owners; unique in its filesystem.
  var inode: UInt64 { get }

  /// Bytes.
  var size: UInt64 { get }

  /// Maps pages from `pages.lowerBound` on, no more than asked for; allocates for a write.
  ///
  /// - Throws: EIO after a shutdown, ENOSPC, ENOMEM.
  func beginMapping(_ pages: Range<UInt64>, write: Bool) throws(Errno) -> Iomap

  /// Ends what `beginMapping` began. A copy-on-write that did not succeed leaves the file as it
  /// was.
  func endMapping(_ iomap: Iomap, write: Bool, succeeded: Bool)

  /// Copies the source of a copy-on-write into the new blocks of `pages`.
  ///
  /// - Throws: EIO if the source cannot be read.
  func copy(_ iomap: Iomap, pages: Range<UInt64>) throws(Errno)

  /// Whether no block of the range is known to be bad: `dax_direct_access`.
  func isReadable(blocks: Range<UInt64>) -> Bool

  /// Whether the CPU can copy the blocks, too: what nobody knows of is met then.
  func isCopyable(blocks: Range<UInt64>) -> Bool

  /// Brings the file's metadata to the log, for a MAP_SYNC fault on `pages`.
  func synchronize(_ pages: Range<UInt64>) throws(Errno)
}

extension DaxFile {
  public func isCopyable(blocks: Range<UInt64>) -> Bool { isReadable(blocks: blocks) }
}
