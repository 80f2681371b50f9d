internal import ArgumentParser

struct BenchOwners: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "owners",
    abstract: "Measure what finding a block's owners costs, beside a b-tree and memory itself.",
    discussion: """
      Extents of 1 to 31 pages, 16 on average, one after another. Index and absl::btree_map answer the same questions in turn, and \
      their answers are compared; each question waits for the answer before ("in a chain"), or does not. The b-tree is built by \
      scripts/bench. With --fs, an XFS gets a file of as many extents, is asked by GETFSMAP, and the file is removed.

      Example: softdax bench owners --extents 1000000
      """)

  @Option(help: ArgumentHelp("Extents in the index.", valueName: "n"))
  var extents = 10_000_000

  @OptionGroup var runs: BenchRuns

  @Option(help: ArgumentHelp("Questions of one measurement.", valueName: "n"))
  var queries = 1_000_000

  @Option(help: ArgumentHelp("Compare with GETFSMAP of this mounted XFS.", valueName: "dir"))
  var fs: String?

  func validate() throws {
    guard (1000...100_000_000).contains(extents) else {
      throw ValidationError("--extents takes 1000 to 100000000 (some 65 bytes of memory for each).")
    }
    guard (1000...1_000_000_000).contains(queries) else {
      throw ValidationError("--queries takes 1000 to 1000000000.")
    }
  }

  func run() throws {
    var bench = OwnersBench(extents: extents, repetitions: runs.repetitions, queries: queries)
    let report = try bench.run(filesystem: fs)
    try runs.conclude(report)
  }
}
