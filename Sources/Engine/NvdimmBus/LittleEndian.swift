/// Numbers in the structs of linux/ndctl.h, which are packed and in the byte order of the processor: little-endian on all that have
/// an NFIT.
struct StructReader {
  private let bytes: ArraySlice<UInt8>

  init(_ bytes: some Sequence<UInt8>) { self.bytes = Array(bytes)[...] }

  /// The number of `T`'s width at `offset`; `nil` if the struct ends before.
  func number<T: FixedWidthInteger & UnsignedInteger>(_ type: T.Type, at offset: Int) -> T? {
    let width = T.bitWidth / 8
    guard offset >= 0, bytes.count >= width, offset <= bytes.count - width else { return nil }
    return bytes[offset..<offset + width].reversed().reduce(0) { ($0 &<< 8) | T($1) }
  }
}

struct StructWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
    for shift in stride(from: 0, to: T.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> T(shift)))
    }
  }
}
