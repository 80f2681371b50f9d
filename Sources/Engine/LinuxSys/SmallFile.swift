internal import Glibc
public import SystemPackage

/// Files of which all is read or written at once: of /proc, /sys and the session directory.
public enum SmallFile {
  /// All that is in the file, which may be one of /proc that has no size.
  public static func read(_ path: String) throws(Errno) -> String {
    let file = try OwnedDescriptor.open(path, flags: O_RDONLY)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
      let got = unsafe chunk.withUnsafeMutableBytes {
        unsafe Glibc.read(file.raw, $0.baseAddress!, $0.count)
      }
      if got == 0 { return String(decoding: bytes, as: UTF8.self) }
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else { throw Errno(rawValue: errno) }
      bytes += chunk[..<got]
    }
  }

  /// The first line without the spaces around it; nil if there is none, or no file.
  public static func line(_ path: String) -> String? {
    (try? read(path))?.split(separator: "\n").first.map { trimmed($0) }
  }

  /// The number that is the file's first line.
  public static func number(_ path: String) -> UInt64? { line(path).flatMap { UInt64($0) } }

  /// The value of the first "name : value" line of `text`, as /proc has them.
  public static func field(_ name: String, of text: String) -> String? {
    for line in text.split(separator: "\n") {
      guard let colon = line.firstIndex(of: ":"), trimmed(line[..<colon]) == name else { continue }
      return trimmed(line[line.index(after: colon)...])
    }
    return nil
  }

  private static func trimmed(_ text: Substring) -> String {
    var rest = text
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
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

  /// Makes the file, which must not exist, with `bytes`.
  public static func create(_ bytes: [UInt8], at path: String, mode: UInt32) throws(Errno) {
    try put(bytes, try .open(path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode))
  }

  /// Changes what the file says, which stays the same file; `mode` only says whether it may be written at all.
  ///
  /// A reader may see the new text with the end of the old one after it, if it reads in the microsecond in between.
  public static func overwrite(_ path: String, with bytes: [UInt8], mode: UInt32) throws(Errno) {
    // The owner may not write to a file of mode 0444, unless it is root.
    let isLocked = mode & 0o200 == 0
    if isLocked { unsafe chmod(path, mode | 0o200) }
    defer { if isLocked { unsafe chmod(path, mode) } }
    let file = try OwnedDescriptor.open(path, flags: O_WRONLY)
    var done = 0
    while done < bytes.count {
      let put = unsafe bytes.withUnsafeBytes {
        unsafe pwrite(file.raw, $0.baseAddress! + done, $0.count - done, done)
      }
      if put < 0 && errno == EINTR { continue }
      guard put >= 0 else { throw Errno(rawValue: errno) }
      done += put
    }
    guard ftruncate(file.raw, bytes.count) == 0 else { throw Errno(rawValue: errno) }
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
      if put < 0 && errno == EINTR { continue }
      guard put >= 0 else { throw Errno(rawValue: errno) }
      count += put
    }
  }
}
