/// A name in a directory: any bytes but zero and a slash. Equal if the bytes are, unlike a string.
public struct FileName: Hashable, Comparable, Sendable, ExpressibleByStringLiteral {
  /// NAME_MAX
  public static let maximumLength = 255

  public let bytes: [UInt8]

  public init(bytes: [UInt8]) { self.bytes = bytes }

  public init(_ text: some StringProtocol) { bytes = Array(text.utf8) }

  public init(stringLiteral value: String) { self.init(value) }

  /// Whether a directory may hold it. "." and ".." are not entries of a directory here.
  public var isValid: Bool {
    !bytes.isEmpty && !bytes.contains(0) && !bytes.contains(UInt8(ascii: "/"))
      && bytes != [UInt8(ascii: ".")] && bytes != [UInt8(ascii: "."), UInt8(ascii: ".")]
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}

extension FileName: CustomStringConvertible {
  public var description: String { String(decoding: bytes, as: UTF8.self) }
}
