public import PmemBase

/// What a user asks for: one device.
public struct DeviceSpecification: Sendable, Equatable {
  public enum Backing: Sendable, Equatable {
    /// Ordinary memory, as long as the server lives.
    case memory
    /// The host's pool of huge pages: of the device's alignment where that is 2M or 1G.
    case hugePages
    /// A file, or a real /dev/daxN.M.
    case path(String)
  }

  public var medium: Backing
  /// Bytes; `nil` takes the file's or device's own, or 512 MiB of memory.
  public var size: UInt64?
  /// `nil` takes a real device's own, else 2 MiB.
  public var alignment: PageSize?

  /// Size of a memory device when none is given.
  public static let defaultSize: UInt64 = 512 << 20

  public init(medium: Backing = .memory, size: UInt64? = nil, alignment: PageSize? = nil) {
    self.medium = medium
    self.size = size
    self.alignment = alignment
  }

  /// `memfd`, `hugetlb`, or a path (with a slash in it).
  public static func medium(parsing text: String) throws(SpecificationError) -> Backing {
    switch text {
    case "memfd": return .memory
    case "hugetlb": return .hugePages
    case let path where path.contains("/"): return .path(path)
    default: throw .medium(text)
    }
  }

  /// `4k`, `2m` or `1g`, or the same in bytes.
  public static func alignment(parsing text: String) throws(SpecificationError) -> PageSize {
    guard let bytes = try? ByteCount(parsing: text).bytes, let size = PageSize(bytes: bytes)
    else { throw .alignment(text) }
    return size
  }

  public static func size(parsing text: String) throws(SpecificationError) -> UInt64 {
    do throws(SizeError) {
      return try ByteCount(parsing: text).bytes
    } catch {
      throw .size("\(error)")
    }
  }

  /// `size=1G,align=4k,medium=/path`: any of them, in any order.
  public init(parsing text: String) throws(SpecificationError) {
    self.init()
    var given: Set<Substring> = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1)
      guard pair.count == 2 else { throw .key(String(part)) }
      guard given.insert(pair[0]).inserted else { throw .twice(String(pair[0])) }
      let value = String(pair[1])
      switch pair[0] {
      case "size": size = try Self.size(parsing: value)
      case "align": alignment = try Self.alignment(parsing: value)
      case "medium": medium = try Self.medium(parsing: value)
      default: throw .key(String(part))
      }
    }
  }
}

/// What is wrong with a device as a user wrote it.
public enum SpecificationError: Error, Equatable, CustomStringConvertible {
  case medium(String)
  case alignment(String)
  case size(String)
  case key(String)
  case twice(String)

  public var description: String {
    switch self {
    case .medium(let text):
      "no medium \"\(text)\": use memfd, hugetlb, or the path of a file (with a slash: ./\(text)) or /dev/daxN.M"
    case .alignment(let text): "no alignment \"\(text)\": use 4k, 2m or 1g"
    case .size(let text): text
    case .twice(let key): "\(key) is given twice for one device; say it once"
    case .key(let text):
      "\"\(text)\" is not part of a device: use size=SIZE, align=4k|2m|1g, medium=memfd|hugetlb|PATH, separated by commas"
    }
  }
}
