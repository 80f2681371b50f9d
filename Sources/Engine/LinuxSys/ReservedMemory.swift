internal import CSoftdax
public import SystemPackage

/// Zeroed anonymous memory that costs nothing until it is touched; released at the end of its owner.
@safe public struct ReservedMemory: ~Copyable, @unchecked Sendable {
  // Safe and Sendable: an owner of an address range; what is in the range is the business of who uses it.
  public let start: UnsafeMutableRawPointer
  public let count: Int

  /// - Throws: `.noMemory` when the address space or the host's overcommit rule has no room.
  ///
  /// Source: MAP_NORESERVE in `mmap(2)`.
  public init(count: Int) throws(Errno) {
    guard let start = unsafe sd_memory_reserve(UInt64(count)) else { throw .noMemory }
    unsafe self.start = start
    self.count = count
  }

  /// Bytes that have a page behind them.
  public var resident: UInt64 { unsafe sd_memory_resident(start, UInt64(count)) }

  deinit { unsafe sd_memory_release(start, UInt64(count)) }
}
