/// Why a text is not a size; the description is one line, ready to show.
public enum SizeError: Error, Equatable {
  /// Not a number, or something other than one suffix after it.
  case malformed(String)
  /// A size, but of more than 2^64 - 1 bytes.
  case tooLarge(String)
}

extension SizeError: CustomStringConvertible {
  public var description: String {
    let form = "write bytes (decimal, 0x hex or 0 octal) and at most one of k, m, g, t: 512m"
    switch self {
    case .malformed(let text): return "\"\(text)\" is not a size; \(form)"
    case .tooLarge(let text):
      return "\"\(text)\" is more than \(UInt64.max) bytes; \(form)"
    }
  }
}
