internal import SystemPackage

/// An attribute that can be written. The number is that of the device.
enum BusAttribute: Hashable, Sendable {
  /// ndbusN/nfit/scrub
  case scrub
  /// ndbusN/nfit/hw_error_scrub
  case scrubOnError
  /// regionN/deep_flush
  case deepFlush(Int)
  /// namespaceN.M/force_raw
  case forceRaw(Int)
  /// daxN.M/namespace of the holder
  case holdersNamespace(Int)
  case bind(BusDriver)
  case unbind(BusDriver)
  /// drivers/device_dax/new_id and remove_id
  case newIdentifier
  case removeIdentifier
}

/// Drivers that devices can be bound to and unbound from.
enum BusDriver: String, CaseIterable, Hashable, Sendable {
  case ndPmem = "nd_pmem"
  case daxPmem = "dax_pmem"
  case deviceDax = "device_dax"

  /// Below the session directory.
  var path: String {
    switch self {
    case .ndPmem, .daxPmem: "sys/bus/nd/drivers/\(rawValue)"
    case .deviceDax: "sys/bus/dax/drivers/\(rawValue)"
    }
  }
}

/// What was written, read as the kernel reads it: up to the first NUL.
struct AttributeText {
  private let bytes: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { self.bytes = bytes.prefix { $0 != 0 } }

  /// Without the newline at the end, if there is one. Source: `sysfs_streq`.
  var line: String {
    String(decoding: bytes.last == 0x0a ? bytes.dropLast() : bytes, as: UTF8.self)
  }

  /// Without white space at both ends. Source: `strim`.
  var trimmed: String {
    var rest = bytes
    while let first = rest.first, Self.isSpace(first) { rest.removeFirst() }
    while let last = rest.last, Self.isSpace(last) { rest.removeLast() }
    return String(decoding: rest, as: UTF8.self)
  }

  /// A number: sign, 0x or 0 as in C, digits, at most one newline.
  ///
  /// - Throws: EINVAL, or ERANGE if it does not fit. Source: `kstrtol` with base 0.
  func number() throws(Errno) -> Int64 {
    var rest = Substring(line)
    let isNegative = rest.hasPrefix("-")
    if isNegative || rest.hasPrefix("+") { rest.removeFirst() }
    var radix = 10
    if rest.lowercased().hasPrefix("0x"), rest.dropFirst(2).first?.isHexDigit == true {
      rest.removeFirst(2)
      radix = 16
    } else if rest.hasPrefix("0") {
      radix = 8
    }
    // Swift's own parser takes a sign too: there must be none here any more.
    guard let first = rest.first, first != "-", first != "+", first.isASCII else {
      throw .invalidArgument
    }
    if let value = Int64((isNegative ? "-" : "") + rest, radix: radix) { return value }
    guard rest.allSatisfy({ $0.hexDigitValue.map { $0 < radix } == true && $0.isASCII }) else {
      throw .invalidArgument
    }
    throw .outOfRange
  }

  /// Yes or no, from the first one or two characters.
  ///
  /// - Throws: EINVAL. Source: `kstrtobool`.
  func flag() throws(Errno) -> Bool {
    switch bytes.first {
    case UInt8(ascii: "y"), UInt8(ascii: "Y"), UInt8(ascii: "t"), UInt8(ascii: "T"),
      UInt8(ascii: "1"):
      return true
    case UInt8(ascii: "n"), UInt8(ascii: "N"), UInt8(ascii: "f"), UInt8(ascii: "F"),
      UInt8(ascii: "0"):
      return false
    case UInt8(ascii: "o"), UInt8(ascii: "O"):
      switch bytes.dropFirst().first {
      case UInt8(ascii: "n"), UInt8(ascii: "N"): return true
      case UInt8(ascii: "f"), UInt8(ascii: "F"): return false
      default: throw .invalidArgument
      }
    default: throw .invalidArgument
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0d).contains(byte)
  }
}
