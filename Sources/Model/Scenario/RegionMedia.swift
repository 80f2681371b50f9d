internal import ExtentFS
internal import MemoryFailure

/// The bad blocks of a region; shared by the machine and the filesystem on it.
final class RegionMedia: Media {
  enum Bus: Sendable {
    /// Emulated NVDIMMs of QEMU: no command to inject, to look for or to clear errors.
    case emulated
    /// The kernel's nfit_test: all three.
    case test
  }

  let bus: Bus
  /// Where block 0 of the namespace is, bytes from the region's start.
  private let dataOffset: UInt64
  /// What the kernel knows of, in bytes from the region's start.
  var badBlocks = BadBlocks()
  /// What the firmware knows of and a scrub finds.
  var injected = BadBlocks()

  init(dataOffset: UInt64, bus: Bus) {
    self.dataOffset = dataOffset
    self.bus = bus
  }

  func isReadable(blocks: Range<UInt64>) -> Bool {
    badBlocks.isEmpty || !badBlocks.contains(anyOf: bytes(blocks))
  }

  /// What is bad stays bad on a bus that cannot clear.
  func clear(blocks: Range<UInt64>) -> Bool {
    guard bus == .test else { return isReadable(blocks: blocks) }
    badBlocks.clear(bytes: bytes(blocks))
    injected.clear(bytes: bytes(blocks))
    return true
  }

  /// Sectors of the namespace, in bytes from the region's start.
  func bytes(sectors: Range<UInt64>) -> Range<UInt64> {
    let size = BadBlocks.sectorSize
    return (dataOffset + sectors.lowerBound * size)..<(dataOffset + sectors.upperBound * size)
  }

  private func bytes(_ blocks: Range<UInt64>) -> Range<UInt64> {
    (dataOffset + blocks.lowerBound << 12)..<(dataOffset + blocks.upperBound << 12)
  }
}
