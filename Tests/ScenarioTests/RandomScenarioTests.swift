internal import LinuxSys
internal import PmemBase
internal import Scenario
internal import TestSupport
internal import Testing

@Suite struct `any history of a machine` {
  /// Together; `SOFTDAX_TEST_SEQUENCES` asks for more.
  static let sequences =
    ThisProcess.environment("SOFTDAX_TEST_SEQUENCES").flatMap { Int($0) } ?? 2000

  /// Catches a value that is lost or shown to the wrong process, somebody told or killed who should not be, entries that
  /// outlive a failure or a block, and counts that are not those of the entries: each step is judged by dictionaries of
  /// pages, and the invariants are looked at after it.
  @Test(.timeLimit(.minutes(30)), arguments: SeededGenerator.seeds([21, 22, 23]))
  func `is what a dictionary of pages says, after every step`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let seeds = SeededGenerator.seeds([21, 22, 23]).count
    for sequence in 0..<max(1, Self.sequences / seeds) {
      let isXFS = sequence % 4 != 3
      let kernel = KernelBehavior.allCases[sequence % 3]
      let steps =
        RandomStep.beginning + (0..<24).map { _ in RandomStep.random(using: &generator) }
      guard let found = StepRun.difference(steps, kernel, isXFS: isXFS) else { continue }
      let shrinker = Shrinker<RandomStep>(
        simpler: { _ in [] },
        fails: { StepRun.difference($0, kernel, isXFS: isXFS) != nil })
      let small = shrinker.shrink(Array(steps.prefix(found.step + 1)))
      let last = StepRun.difference(small, kernel, isXFS: isXFS) ?? found
      Issue.record(
        """
        seed \(seed), sequence \(sequence), kernel \(kernel.shortName): \(last.text)
        As a scenario, for softdax scenario run --kernel \(kernel.shortName):
        # random fs
        \(last.lines.joined(separator: "\n"))
        """)
      return
    }
  }

  /// Catches histories that say nothing: nearly all their steps left out, or no failure ever told to anybody.
  @Test func `is made of steps that happen`() throws {
    var generator = SeededGenerator(seed: 21)
    var texts = ""
    for sequence in 0..<50 {
      let steps =
        RandomStep.beginning + (0..<24).map { _ in RandomStep.random(using: &generator) }
      let lines = try StepRun.lines(steps, .v7_2, isXFS: sequence % 4 != 3)
      #expect(lines.count > 12)
      texts += lines.joined(separator: "\n")
      // What is printed can be read again.
      _ = try Scenario(
        parsing: ("# random fs\n" + lines.joined(separator: "\n")).utf8, file: "random.scn")
    }
    for verb in [" hwpoison", "- hwp ", "- mce ", " fork ", " thread ", "reflink", " punch "] {
      #expect(texts.contains(verb), "\(verb)")
    }
  }
}
