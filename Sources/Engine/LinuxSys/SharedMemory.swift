internal import CSoftdax
public import SystemPackage

/// Zeroed memory for atomics: this process's own, or a file's that others map too. Released with its owner.
@safe public final class SharedMemory: @unchecked Sendable {
  // Safe and Sendable: an owner of an address range that never changes; users reach it through atomics.
  public let start: UnsafeMutableRawPointer
  public let count: Int

  /// Memory of this process; a page costs nothing until it is touched.
  ///
  /// - Throws: `.noMemory`.
  public init(count: Int) throws(Errno) {
    guard let start = unsafe sd_memory_reserve(UInt64(count)) else { throw .noMemory }
    unsafe self.start = start
    self.count = count
  }

  /// A new file of `count` bytes; a page costs nothing until it is touched. The name is the caller's to remove.
  ///
  /// - Throws: what `open(2)`, `ftruncate(2)` or `mmap(2)` failed with.
  public init(creating path: String, count: Int, mode: UInt32) throws(Errno) {
    var error: CInt = 0
    let start = unsafe withUnsafeMutablePointer(to: &error) {
      unsafe sd_memory_share(path, mode, UInt64(count), $0)
    }
    guard let start = unsafe start else { throw Errno(rawValue: -error) }
    unsafe self.start = start
    self.count = count
  }

  /// What `file` holds, at least `count` bytes.
  public init(of file: borrowing OwnedDescriptor, count: Int) throws(Errno) {
    var error: CInt = 0
    let raw = file.raw
    let start = unsafe withUnsafeMutablePointer(to: &error) {
      unsafe sd_memory_map(raw, UInt64(count), $0)
    }
    guard let start = unsafe start else { throw Errno(rawValue: -error) }
    unsafe self.start = start
    self.count = count
  }

  /// Bytes that have a page behind them.
  public var resident: UInt64 { unsafe sd_memory_resident(start, UInt64(count)) }

  /// A copy of what is there now; other processes may be writing.
  public var bytes: [UInt8] { unsafe Array(UnsafeRawBufferPointer(start: start, count: count)) }

  deinit { unsafe sd_memory_release(start, UInt64(count)) }
}
