internal import CWire
internal import PmemBase

/// Whose a page of a mounted filesystem's device is. A shared page has several owners, a free one none.
public struct PageOwner: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// Data of a file.
    case file
    /// Of the tree that maps a file.
    case extentMap = "extent map"
    case attributes
    /// The filesystem's own: see `name`.
    case metadata

    var wire: UInt32 {
      switch self {
      case .file: SD_BLOCK_FILE.rawValue
      case .extentMap: SD_BLOCK_EXTENT_MAP.rawValue
      case .attributes: SD_BLOCK_ATTRIBUTES.rawValue
      case .metadata: SD_BLOCK_METADATA.rawValue
      }
    }
  }

  public var kind: Kind
  /// 0 for metadata.
  public var inode: UInt64
  /// Byte of the file, of data; else 0.
  public var offset: UInt64
  /// Names that the inode has; 0 for one that is only still in use.
  public var links: UInt32
  public var isShared: Bool
  public var isUnwritten: Bool
  /// What metadata is, for people; else empty.
  public var name: String

  public init(
    kind: Kind, inode: UInt64 = 0, offset: UInt64 = 0, links: UInt32 = 0, isShared: Bool = false,
    isUnwritten: Bool = false, name: String = ""
  ) {
    self.kind = kind
    self.inode = inode
    self.offset = offset
    self.links = links
    self.isShared = isShared
    self.isUnwritten = isUnwritten
    self.name = name
  }

  init?(_ m: sd_block_owner) {
    guard let kind = Kind.allCases.first(where: { $0.wire == m.kind }) else { return nil }
    self.init(
      kind: kind, inode: m.inode, offset: m.offset, links: m.links,
      isShared: m.flags & SD_BLOCK_SHARED != 0, isUnwritten: m.flags & SD_BLOCK_UNWRITTEN != 0,
      name: Codec.text(m.name))
  }

  var encoded: [UInt8] {
    var m = sd_block_owner()
    m.kind = kind.wire
    m.flags = (isShared ? SD_BLOCK_SHARED : 0) | (isUnwritten ? SD_BLOCK_UNWRITTEN : 0)
    m.inode = inode
    m.offset = offset
    m.links = links
    Codec.put(name, into: &m.name)
    return Codec.bytes(of: m)
  }
}

extension Reply {
  /// As many owners of a page as one message holds.
  public static let blockOwnersPerMessage = Int(SD_BLOCK_OWNERS_PER_MESSAGE)

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

extension KernelBehavior {
  /// As in the C header.
  var wire: UInt32 {
    switch self {
    case .v6_1: SD_KERNEL_6_1.rawValue
    case .v6_12: SD_KERNEL_6_12.rawValue
    case .v7_2: SD_KERNEL_7_2.rawValue
    }
  }
}
