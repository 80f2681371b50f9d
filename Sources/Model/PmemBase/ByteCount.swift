/// A size or an offset, in bytes.
public struct ByteCount: Hashable, Comparable, Sendable {
  public let bytes: UInt64

  public init(_ bytes: UInt64) { self.bytes = bytes }

  /// Reads a size as ndctl's options do: an integer in C notation (`512`, `0x200`, `01000`), then at most one of
  /// `k m g t`, upper or lower case, in powers of 1024.
  ///
  /// Two things that ndctl lets through are refused: a sign (`-1` would wrap) and the empty text.
  ///
  /// - Throws: `SizeError` with the text and the accepted form.
  ///
  /// Source: ndctl's manual pages, `--size`; `strtoull(3)` with base 0.
  public init(parsing text: String) throws(SizeError) {
    var digits = text.utf8[...]
    var shift: UInt64 = 0
    if let last = digits.last, let suffix = Self.shift(ofSuffix: last) {
      shift = suffix
      digits.removeLast()
    }
    var radix: UInt64 = 10
    if digits.first == UInt8(ascii: "0"), digits.count > 1 {
      digits.removeFirst()
      radix = 8
      if let mark = digits.first, mark | 0x20 == UInt8(ascii: "x") {
        digits.removeFirst()
        radix = 16
      }
    }
    guard !digits.isEmpty else { throw .malformed(text) }
    var value: UInt64 = 0
    var overflow = false
    for character in digits {
      guard let digit = Self.digit(character), digit < radix else { throw .malformed(text) }
      let product = value.multipliedReportingOverflow(by: radix)
      let sum = product.partialValue.addingReportingOverflow(digit)
      overflow = overflow || product.overflow || sum.overflow
      value = sum.partialValue
    }
    guard !overflow, value <= UInt64.max >> shift else { throw .tooLarge(text) }
    bytes = value << shift
  }

  /// As `ndctl -u` prints it: `512.00 MiB (536.87 MB)`; GiB from 2 GiB on; below 5000 KiB the plain number.
  public var human: String {
    if bytes < 5000 * 1024 { return String(bytes) }
    if bytes < 2 << 30 {
      return "\(hundredths(of: 1 << 20)) MiB (\(hundredths(of: 1_000_000)) MB)"
    }
    return "\(hundredths(of: 1 << 30)) GiB (\(hundredths(of: 1_000_000_000)) GB)"
  }

  public static func < (left: Self, right: Self) -> Bool { left.bytes < right.bytes }

  /// The size in units of `unit` bytes with two decimals, half rounded up.
  private func hundredths(of unit: UInt64) -> String {
    let (whole, rest) = bytes.quotientAndRemainder(dividingBy: unit)
    let rounded = whole * 100 + (rest * 200 / unit + 1) / 2
    let decimals = rounded % 100
    return "\(rounded / 100).\(decimals < 10 ? "0" : "")\(decimals)"
  }

  private static func shift(ofSuffix character: UInt8) -> UInt64? {
    switch character | 0x20 {
    case UInt8(ascii: "k"): 10
    case UInt8(ascii: "m"): 20
    case UInt8(ascii: "g"): 30
    case UInt8(ascii: "t"): 40
    default: nil
    }
  }

  private static func digit(_ character: UInt8) -> UInt64? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(character - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(character - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(character - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}

extension ByteCount: CustomStringConvertible {
  public var description: String { human }
}
