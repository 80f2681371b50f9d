/// The device under a filesystem, as far as its bad blocks go. Blocks are in 4 KiB units from the
/// device's data.
public protocol Media: AnyObject {
  /// Whether no sector of the blocks is known to be bad.
  func isReadable(blocks: Range<UInt64>) -> Bool

  /// A write of whole blocks, which clears bad sectors where the bus can.
  ///
  /// - Returns: false if bad sectors are left.
  func clear(blocks: Range<UInt64>) -> Bool
}

/// A device without bad blocks.
public final class HealthyMedia: Media {
  public init() {}
  public func isReadable(blocks: Range<UInt64>) -> Bool { true }
  public func clear(blocks: Range<UInt64>) -> Bool { true }
}
