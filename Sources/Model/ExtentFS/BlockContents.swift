internal import SystemPackage

/// The bytes of a device's blocks, kept sparsely: a block of one value costs no more than its
/// number.
public final class BlockContents: DeviceBytes {
  private enum Content: Sendable {
    case fill(UInt8)
    case bytes([UInt8])
  }

  static let blockSize = 4096

  private var blocks: [UInt64: Content] = [:]

  public init() {}

  public func read(_ block: UInt64, _ part: Range<Int>, into bytes: inout [UInt8]) {
    switch blocks[block] {
    case nil: bytes.append(contentsOf: repeatElement(0, count: part.count))
    case .fill(let value): bytes.append(contentsOf: repeatElement(value, count: part.count))
    case .bytes(let present): bytes += present[part]
    }
  }

  public func fill(_ block: UInt64, _ part: Range<Int>, with value: UInt8) {
    if part.count == Self.blockSize {
      blocks[block] = value == 0 ? nil : .fill(value)
      return
    }
    if case .fill(let present) = blocks[block] ?? .fill(0), present == value { return }
    change(block) { bytes in
      for index in part { bytes[index] = value }
    }
  }

  public func write(_ block: UInt64, at offset: Int, _ bytes: ArraySlice<UInt8>) {
    if let first = bytes.first, bytes.allSatisfy({ $0 == first }) {
      fill(block, offset..<offset + bytes.count, with: first)
      return
    }
    change(block) { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
  }

  public func copy(_ source: UInt64, to target: UInt64) {
    blocks[target] = blocks[source]
  }

  public func publish(_ word: UInt64, _ block: UInt64, at offset: Int) {
    let bytes = (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    write(block, at: offset, bytes[...])
  }

  /// Memory outlasts nothing.
  public func synchronize() {}

  /// Blocks that are not all zero.
  public var count: Int { blocks.count }

  private func change(_ block: UInt64, _ body: (inout [UInt8]) -> Void) {
    var bytes: [UInt8]
    switch blocks.removeValue(forKey: block) {
    case nil: bytes = [UInt8](repeating: 0, count: Self.blockSize)
    case .fill(let value): bytes = [UInt8](repeating: value, count: Self.blockSize)
    case .bytes(let present): bytes = present
    }
    body(&bytes)
    blocks[block] = .bytes(bytes)
  }
}
