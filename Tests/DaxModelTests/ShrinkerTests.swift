import TestSupport
import Testing

@Suite struct `shrinking` {
  /// Catches a shrinker that stops early, or returns what does not fail: then failures are not read.
  @Test func `leaves the operations that matter, as small as they can be`() {
    var generator = SeededGenerator(seed: 9)
    let numbers = (0..<500).map { _ in Int.random(in: 0..<1000, using: &generator) } + [900, 77]
    // Fails while a number of 100 or more comes anywhere before one that is a multiple of 7, not 0.
    let fails = { (numbers: [Int]) -> Bool in
      guard let first = numbers.firstIndex(where: { $0 >= 100 }) else { return false }
      return numbers[(first + 1)...].contains { $0 > 0 && $0.isMultiple(of: 7) }
    }
    let shrinker = Shrinker<Int>(simpler: { Array(0..<$0) }, fails: fails)
    #expect(shrinker.shrink(numbers) == [100, 7])
    #expect(shrinker.shrink([1, 2]) == [1, 2])
  }

  /// Catches a seed that does not repeat its numbers: no failure could be run again.
  @Test func `begins from numbers that a seed repeats`() {
    var (one, two, other) = (
      SeededGenerator(seed: 1), SeededGenerator(seed: 1), SeededGenerator(seed: 2)
    )
    let numbers = (0..<8).map { _ in one.next() }
    #expect(numbers == (0..<8).map { _ in two.next() })
    #expect(numbers != (0..<8).map { _ in other.next() })
  }
}
