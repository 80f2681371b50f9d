internal import Synchronization

/// Bits that any thread may look at and change, each by one atomic instruction.
@safe public final class AtomicBits: @unchecked Sendable {
  // Sendable: the pointer never changes, and behind it there are only atomics.
  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let memory: SharedMemory
  public let count: Int

  /// Lays `count` bits over `memory`, from byte `offset` on, which is a multiple of 8. Zero is clear.
  public init(count: Int, in memory: SharedMemory, at offset: Int = 0) {
    precondition(
      offset % 8 == 0 && offset + Self.bytes(for: count) <= memory.count,
      "\(count) bits at byte \(offset) do not fit \(memory.count) bytes")
    self.count = count
    self.memory = memory
    unsafe words = (memory.start + offset).bindMemory(
      to: Atomic<UInt64>.self, capacity: Self.bytes(for: count) / 8)
  }

  /// Whole words.
  public static func bytes(for count: Int) -> Int { max((count + 63) / 64, 1) * 8 }

  public func contains(_ index: Int) -> Bool {
    precondition(index >= 0 && index < count, "bit \(index) is outside of 0..<\(count)")
    return unsafe words[index >> 6].load(ordering: .acquiring) & 1 << UInt64(index & 63) != 0
  }

  /// Sets it. A bit that is set costs a load.
  public func insert(_ index: Int) {
    precondition(index >= 0 && index < count, "bit \(index) is outside of 0..<\(count)")
    let bit: UInt64 = 1 << UInt64(index & 63)
    if unsafe words[index >> 6].load(ordering: .relaxed) & bit == 0 {
      _ = unsafe words[index >> 6].bitwiseOr(bit, ordering: .sequentiallyConsistent)
    }
  }

  /// Sets every bit of the range: one instruction for each 64 of them, a load where they are set.
  public func insert(_ range: Range<Int>) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count,
      "bits \(range) are outside of 0..<\(count)")
    var index = range.lowerBound
    while index < range.upperBound {
      let end = min(range.upperBound, (index | 63) + 1)
      let bits = (~0 >> UInt64(64 - (end - index))) << UInt64(index & 63) as UInt64
      if unsafe words[index >> 6].load(ordering: .relaxed) & bits != bits {
        _ = unsafe words[index >> 6].bitwiseOr(bits, ordering: .sequentiallyConsistent)
      }
      index = end
    }
  }

  public func remove(_ index: Int) {
    precondition(index >= 0 && index < count, "bit \(index) is outside of 0..<\(count)")
    let bit: UInt64 = 1 << UInt64(index & 63)
    _ = unsafe words[index >> 6].bitwiseAnd(~bit, ordering: .sequentiallyConsistent)
  }

  /// Whether any bit of the range is set; one load for 64 of them.
  public func contains(anyOf range: Range<Int>) -> Bool {
    first(in: range, set: true) < range.upperBound
  }

  /// The first bit of the range that is set, or clear; the range's end if there is none.
  public func first(in range: Range<Int>, set: Bool) -> Int {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count,
      "bits \(range) are outside of 0..<\(count)")
    var index = range.lowerBound
    while index < range.upperBound {
      let word = unsafe words[index >> 6].load(ordering: .acquiring)
      let rest = (set ? word : ~word) >> UInt64(index & 63)
      if rest != 0 { return min(range.upperBound, index + rest.trailingZeroBitCount) }
      index = (index | 63) + 1
    }
    return range.upperBound
  }
}

/// A number in shared memory.
@safe public struct SharedCounter: @unchecked Sendable {
  private let word: UnsafeMutablePointer<Atomic<UInt64>>
  private let memory: SharedMemory

  public init(in memory: SharedMemory, at offset: Int) {
    precondition(offset % 8 == 0 && offset + 8 <= memory.count, "no counter fits at byte \(offset)")
    self.memory = memory
    unsafe word = (memory.start + offset).bindMemory(to: Atomic<UInt64>.self, capacity: 1)
  }

  public var value: UInt64 { unsafe word.pointee.load(ordering: .acquiring) }

  public func set(_ value: UInt64) {
    unsafe word.pointee.store(value, ordering: .sequentiallyConsistent)
  }

  public func advance() {
    _ = unsafe word.pointee.add(1, ordering: .sequentiallyConsistent)
  }
}
