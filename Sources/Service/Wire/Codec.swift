internal import CWire

/// A message that is not what its type says, or a reply nobody asked for.
public enum WireError: Error, Equatable, Sendable {
  /// Shorter or longer than its type asks for, or of another version.
  case malformed(type: UInt16, bytes: Int)
  /// No message of this type belongs here.
  case unexpected(type: UInt16)
  /// The other end answered with -errno.
  case refused(Int32)
  /// The other end is gone, or never was there.
  case disconnected(Int32)
}

/// The C structs of `softdax_wire.h` as bytes. The only place of this room that looks at memory.
enum Codec {
  /// The bytes of one struct; every struct of the wire is free of padding (CWire asserts it).
  static func bytes<T: BitwiseCopyable>(of value: T) -> [UInt8] {
    unsafe withUnsafeBytes(of: value) { unsafe Array($0) }
  }

  /// The struct at the front of `bytes`, if they are enough.
  static func value<T: BitwiseCopyable>(_ type: T.Type, in bytes: ArraySlice<UInt8>) -> T? {
    guard bytes.count >= MemoryLayout<T>.size else { return nil }
    return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: T.self) }
  }

  /// The struct that `bytes` are, whole.
  static func exactly<T: BitwiseCopyable>(_ type: T.Type, _ bytes: ArraySlice<UInt8>)
    throws(WireError) -> T
  {
    guard bytes.count == MemoryLayout<T>.size, let value = value(type, in: bytes) else {
      throw .malformed(type: self.type(of: bytes) ?? 0, bytes: bytes.count)
    }
    return value
  }

  /// A struct and the `count` entries that follow it.
  static func list<Head: BitwiseCopyable, Entry: BitwiseCopyable>(
    _ head: Head.Type, of entry: Entry.Type, count: (Head) -> UInt32, limit: UInt32,
    _ bytes: ArraySlice<UInt8>
  ) throws(WireError) -> (Head, [Entry]) {
    let malformed = WireError.malformed(type: type(of: bytes) ?? 0, bytes: bytes.count)
    guard let front = value(head, in: bytes), count(front) <= limit,
      bytes.count == MemoryLayout<Head>.size + Int(count(front)) * MemoryLayout<Entry>.size
    else { throw malformed }
    var entries: [Entry] = []
    entries.reserveCapacity(Int(count(front)))
    var rest = bytes.dropFirst(MemoryLayout<Head>.size)
    while let entry = value(entry, in: rest) {
      entries.append(entry)
      rest = rest.dropFirst(MemoryLayout<Entry>.size)
    }
    return (front, entries)
  }

  /// The error of an SD_DONE.
  static func doneError(_ bytes: ArraySlice<UInt8>) throws(WireError) -> Int32 {
    try error(try exactly(sd_done.self, bytes).error, in: bytes)
  }

  /// An error field: 0 or -errno, so that it can be negated.
  static func error(_ value: Int32, in bytes: ArraySlice<UInt8>) throws(WireError) -> Int32 {
    guard (-4095...0).contains(value) else {
      throw .malformed(type: type(of: bytes) ?? 0, bytes: bytes.count)
    }
    return value
  }

  static func header(_ type: sd_type) -> sd_header {
    sd_header(
      magic: SD_WIRE_MAGIC, version: UInt16(SD_WIRE_VERSION), type: UInt16(type.rawValue))
  }

  /// The type of a message of this protocol and version, else `nil`.
  static func type(of bytes: ArraySlice<UInt8>) -> UInt16? {
    guard let header = value(sd_header.self, in: bytes), header.magic == SD_WIRE_MAGIC,
      header.version == UInt16(SD_WIRE_VERSION)
    else { return nil }
    return header.type
  }

  /// Text in a fixed array of C chars: up to its NUL. It ends on people's terminals: a control character becomes "?".
  static func text<T: BitwiseCopyable>(_ field: T) -> String {
    text(bytes(of: field).prefix { $0 != 0 })
  }

  /// The same of bytes without NUL.
  static func text(_ bytes: ArraySlice<UInt8>) -> String {
    String(decoding: bytes.map { $0 < 0x20 || $0 == 0x7f ? 0x3f : $0 }, as: UTF8.self)
  }

  /// Writes `text`, cut to leave room for a NUL, into a fixed array of C chars.
  static func put<T: BitwiseCopyable>(_ text: String, into field: inout T) {
    unsafe withUnsafeMutableBytes(of: &field) { bytes in
      for (index, byte) in text.utf8.prefix(bytes.count - 1).enumerated() {
        unsafe bytes[index] = byte
      }
    }
  }
}
