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
  /// In bytes from the region's start.
  var driver: PmemDevice
  /// Blocks of the namespace whose pages are marked as failed (PG_hwpoison); a cleared one loses the mark.
  var flagged: Set<UInt64> = []
  /// What the firmware knows of and a scrub finds.
  var injected = BadBlocks()

  init(dataOffset: UInt64, bus: Bus) {
    self.dataOffset = dataOffset
    self.bus = bus
    driver = PmemDevice(clearing: bus == .test ? .unit(4096) : .never)
  }

  /// What the kernel knows of, in bytes from the region's start.
  var badBlocks: BadBlocks {
    get { driver.badBlocks }
    set { driver.badBlocks = newValue }
  }

  func isReadable(blocks: Range<UInt64>) -> Bool {
    badBlocks.isEmpty || driver.isReadable(bytes(blocks))
  }

  /// What is bad stays bad on a bus that cannot clear.
  func clear(blocks: Range<UInt64>) -> Bool {
    guard driver.write(bytes(blocks)) else { return false }
    injected.clear(bytes: bytes(blocks))
    flagged.subtract(blocks)
    return true
  }

  func recover(bytes: Range<UInt64>) -> Bool {
    let place = bytes.lowerBound + dataOffset..<bytes.upperBound + dataOffset
    guard let write = driver.beginRecovery(place) else { return false }
    driver.finish(write)
    if write.clears {
      injected.clear(bytes: place)
      flagged.remove(bytes.lowerBound >> 12)
    }
    return true
  }

  func copyable(bytes: Range<UInt64>) -> UInt64 {
    driver.copyable(bytes.lowerBound + dataOffset..<bytes.upperBound + dataOffset)
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
