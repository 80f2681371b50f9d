internal import LinuxSys
internal import PageModel
internal import SystemPackage

/// Descriptors in memory that is committed when first written: a device of a terabyte costs what was touched of it.
@safe final class LazyDescriptors: DescriptorStorage {
  private let reserved: SharedMemory

  /// - Throws: `.noMemory` when the host's overcommit rule refuses so much address space.
  init(folios: Int) throws(Errno) {
    reserved = try SharedMemory(count: Pagemap.bytes(forFolios: folios))
  }

  var memory: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: reserved.start, count: reserved.count)
  }

  /// Bytes of descriptors that have memory behind them.
  var resident: UInt64 { reserved.resident }
}
