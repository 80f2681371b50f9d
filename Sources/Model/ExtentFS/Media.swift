/// The device under a filesystem, as far as its bad blocks go. Blocks are in 4 KiB units from the
/// device's data.
public protocol Media: AnyObject {
  /// Whether no sector of the blocks is known to be bad.
  func isReadable(blocks: Range<UInt64>) -> Bool

  /// A write of whole blocks, which clears bad sectors where the bus can.
  ///
  /// - Returns: false if bad sectors are left.
  func clear(blocks: Range<UInt64>) -> Bool

  /// A write(2) of bytes of one page that may have a bad sector.
  ///
  /// - Returns: false if nothing is written.
  func recover(bytes: Range<UInt64>) -> Bool

  /// Of bytes without a known bad sector, those before one that nobody knows of.
  func copyable(bytes: Range<UInt64>) -> UInt64
}

extension Media {
  /// Whether the CPU can read the blocks: a copy of them meets no machine check.
  public func isCopyable(blocks: Range<UInt64>) -> Bool {
    let bytes = blocks.lowerBound << 12..<blocks.upperBound << 12
    return isReadable(blocks: blocks) && copyable(bytes: bytes) == UInt64(bytes.count)
  }

  /// Whole pages that can be cleared; a good page in any case.
  public func recover(bytes: Range<UInt64>) -> Bool {
    let block = bytes.lowerBound >> 12
    return isReadable(blocks: block..<block + 1)
      || bytes.lowerBound & 4095 == 0 && bytes.count == 4096 && clear(blocks: block..<block + 1)
  }

  public func copyable(bytes: Range<UInt64>) -> UInt64 { UInt64(bytes.count) }
}

/// A device without bad blocks.
public final class HealthyMedia: Media {
  public init() {}
  public func isReadable(blocks: Range<UInt64>) -> Bool { true }
  public func clear(blocks: Range<UInt64>) -> Bool { true }
}
