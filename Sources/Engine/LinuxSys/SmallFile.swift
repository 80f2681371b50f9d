internal import Glibc
public import SystemPackage

/// Attribute files: a few bytes read or written at once.
public enum SmallFile {
  /// What is in the file, at most 64 KiB.
  public static func read(_ path: String) throws(Errno) -> String {
    let file = try OwnedDescriptor.open(path, flags: O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: 65536)
    var count = 0
    while count < bytes.count {
      let got = unsafe bytes.withUnsafeMutableBytes {
        unsafe Glibc.read(file.raw, $0.baseAddress! + count, $0.count - count)
      }
      guard got >= 0 else { throw Errno(rawValue: errno) }
      if got == 0 { break }
      count += got
    }
    return String(decoding: bytes[..<count], as: UTF8.self)
  }

  /// Up to `count` bytes from `offset` on; fewer at the file's end.
  public static func bytes(_ path: String, offset: UInt64, count: Int) throws(Errno) -> [UInt8] {
    let file = try OwnedDescriptor.open(path, flags: O_RDONLY)
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe bytes.withUnsafeMutableBytes {
      unsafe pread(file.raw, $0.baseAddress, $0.count, Int(clamping: offset))
    }
    guard got >= 0 else { throw Errno(rawValue: errno) }
    return Array(bytes[..<got])
  }

  /// Replaces the file, or makes it, with `bytes`.
  public static func write(_ bytes: [UInt8], to path: String, mode: UInt32) throws(Errno) {
    try put(bytes, try .open(path, flags: O_WRONLY | O_CREAT | O_TRUNC, mode: mode))
  }

  /// Adds `bytes` to the end of a file, or writes them into a FIFO.
  public static func append(_ bytes: [UInt8], to path: String) throws(Errno) {
    try put(bytes, try .open(path, flags: O_WRONLY | O_APPEND))
  }

  private static func put(_ bytes: [UInt8], _ file: consuming OwnedDescriptor) throws(Errno) {
    var count = 0
    while count < bytes.count {
      let put = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(file.raw, $0.baseAddress! + count, $0.count - count)
      }
      guard put >= 0 else { throw Errno(rawValue: errno) }
      count += put
    }
  }
}
