/// A mapping of a process: a line of /proc/PID/maps.
public struct ProcessMapping: Equatable, Sendable {
  public let addresses: Range<UInt64>
  /// "rw-s"
  public let permissions: String
  /// Byte of the file that the first address shows.
  public let offset: UInt64
  /// "259:0", of the filesystem.
  public let device: String
  /// 0: no file.
  public let inode: UInt64
  /// As the kernel prints it; may end in " (deleted)".
  public let path: String

  public var isShared: Bool { permissions.hasSuffix("s") }

  /// Reads a line of /proc/PID/maps; `nil` if it is none. Source: `proc_pid_maps(5)`.
  public init?(line: Substring) {
    var rest = line
    func word() -> Substring {
      rest = rest.drop { $0 == " " }
      let word = rest.prefix { $0 != " " }
      rest = rest.dropFirst(word.count)
      return word
    }
    let ends = word().split(separator: "-").map { UInt64($0, radix: 16) }
    permissions = String(word())
    guard ends.count == 2, let low = ends[0], let high = ends[1], low <= high,
      permissions.count == 4, let offset = UInt64(word(), radix: 16)
    else { return nil }
    let numbers = word().split(separator: ":").map { UInt64($0, radix: 16) }
    guard numbers.count == 2, let major = numbers[0], let minor = numbers[1],
      let inode = UInt64(word())
    else { return nil }
    addresses = low..<high
    self.offset = offset
    device = "\(major):\(minor)"
    self.inode = inode
    path = String(rest.drop { $0 == " " })
  }

  /// The address that shows byte `offset` of the file; `nil` if it is outside.
  public func address(of byte: UInt64) -> UInt64? {
    guard byte >= offset, byte - offset < UInt64(addresses.count) else { return nil }
    return addresses.lowerBound + (byte - offset)
  }
}

extension ProcessFacts {
  /// Every process, ascending.
  public static var all: [Int32] { Folder.entries("/proc").compactMap { Int32($0) }.sorted() }

  /// The name of its first thread; empty when it is gone.
  public static func name(_ identifier: Int32) -> String {
    SmallFile.line("/proc/\(identifier)/comm") ?? ""
  }

  /// Its mappings; none if it is gone, or another user's.
  public static func mappings(_ identifier: Int32) -> [ProcessMapping] {
    let text = (try? SmallFile.read("/proc/\(identifier)/maps")) ?? ""
    return text.split(separator: "\n").compactMap { ProcessMapping(line: $0) }
  }

  /// Whether the process has a page-table entry at `address`; `nil` if that cannot be known.
  ///
  /// Source: Documentation/admin-guide/mm/pagemap.rst, bit 63.
  public static func isPresent(_ identifier: Int32, address: UInt64) -> Bool? {
    let entry = try? SmallFile.bytes(
      "/proc/\(identifier)/pagemap", offset: address / 4096 * 8, count: 8)
    guard let entry, entry.count == 8 else { return nil }
    return entry[7] & 0x80 != 0
  }
}
