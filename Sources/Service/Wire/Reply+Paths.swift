internal import CWire

extension Reply {
  /// As many of the first paths as one message holds: one at least, the end of it if it is longer than that.
  public static func paths(fitting all: [String]) -> Reply {
    var room = Int(SD_PATH_BYTES_MOST)
    let fitting = all.prefix { path in
      room -= path.utf8.count + 1
      return room >= 0
    }
    guard fitting.isEmpty, let first = all.first else { return .paths(Array(fitting)) }
    let end = first.utf8.suffix(Int(SD_PATH_BYTES_MOST) - 8)
    return .paths(["..." + String(decoding: end.drop { $0 & 0xc0 == 0x80 }, as: UTF8.self)])
  }

  static func encoded(paths: [String]) -> [UInt8] {
    let bytes = paths.flatMap { path -> [UInt8] in Array(path.utf8) + [0] }
    return Codec.bytes(
      of: sd_paths(
        header: Codec.header(SD_PATHS), count: UInt32(paths.count), length: UInt32(bytes.count)))
      + bytes
  }

  static func paths(_ bytes: ArraySlice<UInt8>) throws(WireError) -> Reply {
    let (head, text) = try Codec.list(
      sd_paths.self, of: UInt8.self, count: { $0.length }, limit: SD_PATH_BYTES_MOST, bytes)
    let paths = text.split(separator: 0, omittingEmptySubsequences: false)
    // What is behind the last NUL is nothing.
    guard paths.last?.isEmpty == true, paths.count - 1 == Int(head.count) else {
      throw .malformed(type: UInt16(SD_PATHS.rawValue), bytes: bytes.count)
    }
    return .paths(paths.dropLast().map(Codec.text))
  }
}
