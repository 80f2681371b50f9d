internal import CSoftdax
internal import Glibc
public import SystemPackage

/// The first bytes of a file, mapped shared: what is stored here is in the file, whatever becomes of this process.
///
/// Offsets and counts are bytes, checked against the length. Who calls sees to it that no two threads change the same bytes.
@safe public final class MappedFile: @unchecked Sendable {
  // Safe and Sendable: every access is checked against the length; the mapping lives as long as the object.
  private let start: UnsafeMutableRawPointer
  public let count: UInt64

  /// - Throws: Source: `mmap(2)`.
  public init(_ file: borrowing OwnedDescriptor, count: UInt64) throws(Errno) {
    var error: CInt = 0
    guard let start = unsafe sd_file_map(file.raw, count, &error) else {
      throw Errno(rawValue: -error)
    }
    unsafe self.start = start
    self.count = count
  }

  deinit { unsafe sd_file_unmap(start, count) }

  /// Adds what is there to `bytes`.
  public func read(_ offset: UInt64, _ count: Int, into bytes: inout [UInt8]) {
    unsafe bytes.append(
      contentsOf: UnsafeRawBufferPointer(start: place(offset, count), count: count))
  }

  public func write(_ offset: UInt64, _ bytes: ArraySlice<UInt8>) {
    unsafe bytes.withUnsafeBytes { source in
      guard let from = source.baseAddress else { return }
      unsafe memcpy(place(offset, source.count), from, source.count)
    }
  }

  public func fill(_ offset: UInt64, _ count: Int, with value: UInt8) {
    unsafe memset(place(offset, count), CInt(value), count)
  }

  public func copy(_ source: UInt64, to target: UInt64, _ count: Int) {
    unsafe memmove(place(target, count), place(source, count), count)
  }

  /// Stores eight bytes, little-endian, in one step and after everything before. `offset` is a multiple of 8.
  public func publish(_ offset: UInt64, _ word: UInt64) {
    precondition(offset & 7 == 0, "a word that is not aligned is not stored in one step")
    unsafe sd_store_word(place(offset, 8), word.littleEndian)
  }

  /// Whether a range has nothing but zeroes. Cost: about 0.1 ms a MiB.
  public func isZero(_ range: Range<UInt64>) -> Bool {
    var offset = range.lowerBound
    while offset < range.upperBound {
      let count = Int(min(range.upperBound - offset, 1 << 20))
      let bytes = unsafe UnsafeRawBufferPointer(start: place(offset, count), count: count)
      guard unsafe bytes.allSatisfy({ $0 == 0 }) else { return false }
      offset += UInt64(count)
    }
    return true
  }

  private func place(_ offset: UInt64, _ count: Int) -> UnsafeMutableRawPointer {
    precondition(
      count >= 0 && offset <= self.count && UInt64(count) <= self.count - offset,
      "outside the file")
    return unsafe start + Int(offset)
  }
}

extension OwnedDescriptor {
  /// Returns when what was written or stored in a mapping is as durable as the file is. Source: `fdatasync(2)`.
  public borrowing func synchronize() throws(Errno) { try checked(sd_sync_file(raw)) }

  /// The next range at or behind `offset` that may hold something else than zeroes; nil if there is none before `size`.
  ///
  /// Source: SEEK_DATA in `lseek(2)`.
  public borrowing func nextData(from offset: UInt64, size: UInt64) -> Range<UInt64>? {
    var start: UInt64 = 0
    var end: UInt64 = 0
    guard unsafe sd_find_data(raw, offset, size, &start, &end) >= 0, start < end else { return nil }
    return start..<end
  }
}
