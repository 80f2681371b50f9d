/// Writes numbers and bytes, little-endian.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func put<Number: FixedWidthInteger>(_ number: Number) {
    for byte in 0..<Number.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: number >> (8 * byte)))
    }
  }

  mutating func put(_ others: [UInt8]) { bytes += others }

  mutating func put(_ time: Timestamp) {
    put(time.seconds)
    put(time.nanoseconds)
  }
}

/// What cannot be read as what it should be.
struct Undecodable: Error {}

/// Reads what `ByteWriter` wrote; never beyond the end.
struct ByteReader {
  private let bytes: [UInt8]
  private(set) var position: Int

  init(_ bytes: [UInt8], from position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  var isAtEnd: Bool { position >= bytes.count }
  var remaining: Int { bytes.count - position }

  mutating func take<Number: FixedWidthInteger>(
    _ type: Number.Type = Number.self
  ) throws(Undecodable) -> Number {
    let count = Number.bitWidth / 8
    guard remaining >= count else { throw Undecodable() }
    var number: Number = 0
    for byte in 0..<count {
      number |= Number(truncatingIfNeeded: bytes[position + byte]) << (8 * byte)
    }
    position += count
    return number
  }

  mutating func take(bytes count: Int) throws(Undecodable) -> [UInt8] {
    guard count >= 0, remaining >= count else { throw Undecodable() }
    defer { position += count }
    return Array(bytes[position..<position + count])
  }

  mutating func takeTime() throws(Undecodable) -> Timestamp {
    let seconds: Int64 = try take()
    let nanoseconds: UInt32 = try take()
    guard nanoseconds < 1_000_000_000 else { throw Undecodable() }
    return Timestamp(seconds: seconds, nanoseconds: nanoseconds)
  }
}
