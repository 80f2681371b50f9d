import TestSupport
import Testing

@Suite struct `any sequence of operations` {
  static let seeds = SeededGenerator.seeds([1, 2, 3, 4])
  static let steps = 2000

  /// Catches a count, a window or an errno that is wrong only after some history: every step is
  /// judged by a reference that knows nothing but pages.
  @Test(.timeLimit(.minutes(20)), arguments: seeds)
  func `leaves windows, entries and counts as the reference has them`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let operations = (0..<Self.steps).map { _ in Operation.random(using: &generator) }
    guard let found = ModelRun.difference(operations) else { return }
    let shrinker = Shrinker<Operation>(
      simpler: { $0.simpler() }, fails: { ModelRun.difference($0) != nil })
    let small = shrinker.shrink(Array(operations.prefix(found.step + 1)))
    let last = ModelRun.difference(small) ?? found
    Issue.record(
      """
      seed \(seed), step \(found.step): \(found.text)
      shrunk to \(small.count) operations, which fail at \(last.step) with: \(last.text)
      let operations: [Operation] = [
      \(small.map { "  .\($0)," }.joined(separator: "\n"))
      ]
      """)
  }
}
