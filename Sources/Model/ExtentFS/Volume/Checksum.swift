/// CRC-32C (Castagnoli), as XFS and ext4 use it: finds every change of up to 32 bits in a row.
struct Checksum {
  private var state: UInt32 = ~0

  var value: UInt32 { ~state }

  static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var sum = Checksum()
    sum.add(bytes)
    return sum.value
  }

  static func of(_ bytes: [UInt8]) -> UInt32 {
    var sum = Checksum()
    sum.add(bytes)
    return sum.value
  }

  mutating func add(_ bytes: some Sequence<UInt8>) {
    let tables = Self.tables
    for byte in bytes {
      state = state >> 8 ^ tables[Int(UInt8(truncatingIfNeeded: state) ^ byte)]
    }
  }

  /// Eight bytes at a time.
  mutating func add(_ bytes: [UInt8]) {
    let tables = Self.tables.span
    let bytes = bytes.span
    var sum = state
    var index = 0
    while index + 8 <= bytes.count {
      var low: UInt32 = sum
      var high: UInt32 = 0
      for offset in 0..<4 {
        low ^= UInt32(bytes[index + offset]) << (8 * UInt32(offset))
        high |= UInt32(bytes[index + 4 + offset]) << (8 * UInt32(offset))
      }
      sum = 0
      for offset in 0..<4 {
        sum ^= tables[(7 - offset) * 256 + Int(low >> (8 * UInt32(offset)) & 255)]
        sum ^= tables[(3 - offset) * 256 + Int(high >> (8 * UInt32(offset)) & 255)]
      }
      index += 8
    }
    while index < bytes.count {
      sum = sum >> 8 ^ tables[Int(UInt8(truncatingIfNeeded: sum) ^ bytes[index])]
      index += 1
    }
    state = sum
  }

  /// Table k says what a byte does to the sum k bytes later.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var value = UInt32(byte)
      for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82f6_3b78 : value >> 1 }
      tables[byte] = value
    }
    for byte in 256..<8 * 256 {
      let previous = tables[byte - 256]
      tables[byte] = previous >> 8 ^ tables[Int(previous & 255)]
    }
    return tables
  }()
}

/// A number of up to 48 bits with a checksum of 16 beside it, in eight bytes, which a store writes in one step.
struct CheckedNumber {
  let value: UInt64

  init(_ value: UInt64) { self.value = value }

  /// - Returns: nil if the word is not what `word` made.
  init?(word: UInt64) {
    value = word & (1 << 48 - 1)
    guard self.word == word else { return nil }
  }

  var word: UInt64 {
    var sum: UInt16 = 0xffff
    for byte in 0..<6 {
      sum ^= UInt16(truncatingIfNeeded: value >> (8 * UInt64(byte)) & 255) << 8
      for _ in 0..<8 { sum = sum & 0x8000 != 0 ? sum << 1 ^ 0x1021 : sum << 1 }
    }
    return value | UInt64(sum) << 48
  }
}
