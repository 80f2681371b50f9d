internal import LinuxSys
internal import TestSupport
internal import Testing

/// Bits that several threads look at and change.
@Suite struct `Bits` {
  /// Catches masks that are off by one at the ends of words, neighbours that are set or cleared along, and searches that run past the end.
  @Test(arguments: SeededGenerator.seeds([1, 2]))
  func `are what a set of numbers says, whatever is set, cleared and looked for`(seed: UInt64)
    throws
  {
    var random = SeededGenerator(seed: seed)
    let count = 200
    let bits = AtomicBits(
      count: count, in: try SharedMemory(count: AtomicBits.bytes(for: count)))
    var reference: Set<Int> = []
    for _ in 0..<2000 {
      let low = Int.random(in: 0...count, using: &random)
      let range = low..<Int.random(in: low...count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0:
        bits.insert(range)
        reference.formUnion(range)
      case 1 where !range.isEmpty:
        bits.insert(range.lowerBound)
        reference.insert(range.lowerBound)
      default:
        for index in range.prefix(30) {
          bits.remove(index)
          reference.remove(index)
        }
      }
      #expect((0..<count).filter(bits.contains) == reference.sorted())
      #expect(
        bits.first(in: range, set: true) == range.first(where: reference.contains)
          ?? range.upperBound)
      #expect(
        bits.first(in: range, set: false) == range.first { !reference.contains($0) }
          ?? range.upperBound)
      #expect(bits.contains(anyOf: range) == range.contains(where: reference.contains))
    }
  }
}
