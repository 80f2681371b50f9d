internal import DaxModel
internal import FaultEngine
internal import LinuxSys
internal import Medium
internal import PmemBase
internal import Synchronization
internal import SystemPackage

/// Takes a device's pages out of every page table, whatever the medium; the bytes stay. Under the handler's lock.
final class Unmapper: Sendable {
  private let pipe: PagePipe
  private let hasLargePages = LargeShmem.isPossible

  init() throws(Errno) { pipe = try PagePipe() }

  /// Bytes that are poisoned, unmapped and armed together: a page of the medium.
  static func granule(_ device: DaxDevice) -> UInt64 { device.medium.pageBytes }

  /// Whether it can, on this medium.
  ///
  /// - Throws: `.notSupported`: what is mapped is one large page.
  func check(_ device: DaxDevice) throws(Errno) {
    guard device.medium.pageBytes == PageSize.base.bytes,
      device.medium.insertion == .remapped || !hasLargePages
    else { throw .notSupported }
  }

  /// Unmaps bytes of the device, whole granules. Every workload's lock is held, or no entry can come for another reason.
  func unmap(_ device: DaxDevice, _ bytes: Range<UInt64>) throws(Errno) {
    try device.medium.withDescriptor { file throws(Errno) in
      try device.holes.withLock { _ throws(Errno) in
        try pipe.unmap(file, offset: bytes.lowerBound, length: UInt64(bytes.count))
      }
    }
  }

  func writeZeroes(_ device: DaxDevice, _ bytes: Range<UInt64>) throws(Errno) {
    try device.medium.withDescriptor { file throws(Errno) in
      try file.writeZeroes(offset: bytes.lowerBound, length: UInt64(bytes.count))
    }
  }
}
