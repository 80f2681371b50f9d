internal import ExtentFS
internal import MemoryFailure

/// What of a mount's medium is bad, and what is known of it. Under the mount's lock; bytes from the device's start.
final class MountMedia: Media {
  /// Its `latent` is all that the medium cannot give, known or not.
  var driver: PmemDevice

  /// - Parameter clears: The bus can clear sectors.
  init(clears: Bool) { driver = PmemDevice(clearing: clears ? .unit(512) : .never) }

  /// Nothing is bad, and nothing said to be.
  var isSound: Bool { driver.latent.isEmpty && driver.badBlocks.isEmpty }

  /// Whether a touch of the blocks meets an error.
  func isBroken(_ blocks: Range<UInt64>) -> Bool {
    !driver.latent.isEmpty && driver.latent.contains(anyOf: Self.bytes(blocks))
  }

  func isBroken(_ block: UInt64) -> Bool { isBroken(block..<block + 1) }

  func isReadable(blocks: Range<UInt64>) -> Bool {
    driver.badBlocks.isEmpty || driver.isReadable(Self.bytes(blocks))
  }

  func clear(blocks: Range<UInt64>) -> Bool { driver.write(Self.bytes(blocks)) }

  func recover(bytes: Range<UInt64>) -> Bool {
    guard let write = driver.beginRecovery(bytes) else { return false }
    driver.finish(write)
    return true
  }

  func copyable(bytes: Range<UInt64>) -> UInt64 {
    isSound ? UInt64(bytes.count) : driver.copyable(bytes)
  }

  static func bytes(_ blocks: Range<UInt64>) -> Range<UInt64> {
    blocks.lowerBound << 12..<blocks.upperBound << 12
  }
}
