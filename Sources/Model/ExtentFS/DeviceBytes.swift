public import SystemPackage

/// The bytes of a device's blocks: what files hold, and what the filesystem keeps about them.
///
/// The simulator keeps them sparsely (`BlockContents`), a live mount in the device's medium. Blocks
/// are 4 KiB; a part of one is a range inside it. One thread at a time.
public protocol DeviceBytes: AnyObject {
  /// Adds part of one block to `bytes`.
  func read(_ block: UInt64, _ part: Range<Int>, into bytes: inout [UInt8])
  /// Makes part of one block a value.
  func fill(_ block: UInt64, _ part: Range<Int>, with value: UInt8)
  /// Writes into one block.
  func write(_ block: UInt64, at offset: Int, _ bytes: ArraySlice<UInt8>)
  /// Makes the content of one block that of another.
  func copy(_ source: UInt64, to target: UInt64)
  /// Stores eight bytes, little-endian, in one step and after every write before it: whoever reads
  /// the device after this process was killed finds the old ones or the new ones, and with the new
  /// ones what was written before.
  ///
  /// - Parameter offset: A multiple of 8.
  func publish(_ word: UInt64, _ block: UInt64, at offset: Int)
  /// Returns when all that was written will outlast the host.
  func synchronize() throws(Errno)
}

extension DeviceBytes {
  /// Part of one block.
  public func read(_ block: UInt64, _ part: Range<Int>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(part.count)
    read(block, part, into: &bytes)
    return bytes
  }

  /// Bytes that may go over several blocks. `position` counts from the beginning of `block`.
  func readRun(_ block: UInt64, from position: UInt64, count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var position = position
    let end = position + UInt64(count)
    while position < end {
      let stop = min(end, (position | 4095) + 1)
      let low = Int(position & 4095)
      read(block + position >> 12, low..<low + Int(stop - position), into: &bytes)
      position = stop
    }
    return bytes
  }

  /// Writes bytes that may go over several blocks.
  func writeRun(_ block: UInt64, at position: UInt64, _ bytes: [UInt8]) {
    var done = 0
    while done < bytes.count {
      let place = position + UInt64(done)
      let count = min(bytes.count - done, 4096 - Int(place & 4095))
      write(block + place >> 12, at: Int(place & 4095), bytes[done..<done + count])
      done += count
    }
  }
}
