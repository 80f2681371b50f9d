internal import ExtentFS
internal import MemoryFailure

/// The bad blocks of a region; shared by the machine and the filesystem on it.
final class RegionMedia: Media {
  /// In bytes from the region's start.
  var badBlocks = BadBlocks()

  func isReadable(blocks: Range<UInt64>) -> Bool {
    badBlocks.isEmpty || !badBlocks.contains(anyOf: Self.bytes(blocks))
  }

  /// The emulated NVDIMMs' bus cannot clear (no DSM): what is bad stays bad.
  func clear(blocks: Range<UInt64>) -> Bool { isReadable(blocks: blocks) }

  private static func bytes(_ blocks: Range<UInt64>) -> Range<UInt64> {
    (Machine.dataOffset + blocks.lowerBound << 12)..<(Machine.dataOffset + blocks.upperBound << 12)
  }
}
