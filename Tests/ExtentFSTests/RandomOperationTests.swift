import ExtentFS
import PmemBase
import TestSupport
import Testing

@Suite struct `any history of a filesystem` {
  static let seeds = SeededGenerator.seeds([11, 12, 13])

  /// Catches bytes that are lost or shown to the wrong process, a translation that outlives its
  /// block, an owner, a count or a block that is lost: files and windows are compared with arrays
  /// of bytes after every step.
  @Test(.timeLimit(.minutes(20)), arguments: seeds)
  func `leaves files, windows, owners and counts as the reference has them`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for sequence in 0..<500 {
      let kind: Format.Kind = sequence % 4 == 3 ? .ext4 : .xfs
      let kernel = KernelBehavior.allCases[sequence % 3]
      let operations =
        FsOperation.beginning + (0..<24).map { _ in FsOperation.random(using: &generator) }
      guard let found = FsRun.difference(operations, kind, kernel) else { continue }
      let shrinker = Shrinker<FsOperation>(simpler: \.simpler) {
        FsRun.difference($0, kind, kernel) != nil
      }
      let small = shrinker.shrink(Array(operations.prefix(found.step + 1)))
      Issue.record(
        """
        seed \(seed), sequence \(sequence), \(kind), \(kernel), step \(found.step): \(found.text)
        shrunk: \(FsRun.difference(small, kind, kernel)?.text ?? "")
        \(small.map { "  .\($0)," }.joined(separator: "\n"))
        """)
      return
    }
  }
}
