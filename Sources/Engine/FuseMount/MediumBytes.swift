internal import ExtentFS
internal import LinuxSys
internal import Medium
internal import PmemBase
internal import SystemPackage

/// A device's bytes where its medium has them: what a file on the mount holds is what a mapping of the medium shows.
final class MediumBytes: DeviceBytes {
  private static let blockSize: UInt64 = 4096

  private let medium: any Medium
  private let memory: MappedFile

  /// - Throws: `.noSpace` if the host has not room for all of a file medium: a store must not fail later.
  init(_ medium: any Medium) throws(Errno) {
    self.medium = medium
    if medium.kind == .file {
      do throws(Errno) {
        try medium.fill(offset: 0, length: medium.size)
      } catch .notSupported {
        // A filesystem without fallocate has what it has.
      }
    }
    memory = try medium.withDescriptor { file throws(Errno) in
      try MappedFile(file, count: medium.size)
    }
  }

  var blockCount: UInt64 { medium.size / Self.blockSize }

  /// Nothing but zeroes anywhere. Cost: what has no page or block of the host costs nothing, the rest 0.1 ms a MiB.
  var isBlank: Bool {
    medium.withDescriptor { file in
      var offset: UInt64 = 0
      while let data = file.nextData(from: offset, size: medium.size) {
        guard memory.isZero(data) else { return false }
        offset = data.upperBound
      }
      return true
    }
  }

  func read(_ block: UInt64, _ part: Range<Int>, into bytes: inout [UInt8]) {
    memory.read(block * Self.blockSize + UInt64(part.lowerBound), part.count, into: &bytes)
  }

  func fill(_ block: UInt64, _ part: Range<Int>, with value: UInt8) {
    memory.fill(block * Self.blockSize + UInt64(part.lowerBound), part.count, with: value)
  }

  func write(_ block: UInt64, at offset: Int, _ bytes: ArraySlice<UInt8>) {
    memory.write(block * Self.blockSize + UInt64(offset), bytes)
  }

  func copy(_ source: UInt64, to target: UInt64) {
    memory.copy(source * Self.blockSize, to: target * Self.blockSize, Int(Self.blockSize))
  }

  func publish(_ word: UInt64, _ block: UInt64, at offset: Int) {
    memory.publish(block * Self.blockSize + UInt64(offset), word)
  }

  func synchronize() throws(Errno) {
    try medium.withDescriptor { file throws(Errno) in try file.synchronize() }
  }
}
