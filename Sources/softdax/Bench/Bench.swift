internal import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure softdax on this host.",
    subcommands: [
      BenchInsert.self, BenchFiles.self, BenchPoison.self, BenchModel.self, BenchOwners.self,
    ])
}

struct BenchInsert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "insert",
    abstract: "Measure what inserting a page costs, beside a raw C userfaultfd loop.",
    discussion: """
      Both sides alternate in one run and in the same arrangement: this process serves faults, a child touches pages and \
      measures itself. Figures are ns for one page; those of demand rows are touch latencies, from before the load to after it, \
      which a server cannot see. A futex round trip beside them tells whether the machine kept still; the \
      run is void if it drifted.

      Example: softdax bench insert --repetitions 15 --json > insert.json
      """)

  @OptionGroup var runs: BenchRuns
  @OptionGroup var touched: TouchedPages

  @Flag(help: "Only the C side: what this host can do at best.")
  var baseline = false

  func run() throws {
    var bench = try InsertBench(
      repetitions: runs.repetitions, pages: touched.pages, withServer: !baseline)
    let report = try bench.run()
    try runs.conclude(report)
  }
}

struct BenchFiles: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "files",
    abstract: "Measure the first touch of a mapped file's pages, beside a device's.",
    discussion: """
      Both are this process's: a filesystem that it mounts for the time, and an emulated device. A child touches pages of 4 KiB \
      that have been written before, first with stores, then with loads, and measures itself. Needs what --fs needs.

      Example: softdax bench files --repetitions 15
      """)

  @OptionGroup var runs: BenchRuns
  @OptionGroup var touched: TouchedPages

  func run() throws {
    let report = try FileBench(repetitions: runs.repetitions, pages: touched.pages).run()
    try runs.conclude(report)
  }
}

struct BenchPoison: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "poison",
    abstract: "Measure what a memory error costs, beside raw C with the same effect.",
    discussion: """
      A child maps one page, 1 and 64 times. This process breaks it, the child touches it: from the injection to the first line of the \
      program's handler, every mapping armed; and again, where the marker is found. C does the same steps in the same order: splice, \
      FALLOC_FL_PUNCH_HOLE, write back, UFFDIO_POISON. "C, lossy" leaves out the saving. A futex round trip is the control.

      Example: softdax bench poison --repetitions 15 --json > poison.json
      """)

  @OptionGroup var runs: BenchRuns

  @Option(help: ArgumentHelp("Errors of one measurement.", valueName: "n"))
  var rounds = 200

  func validate() throws {
    guard (1...100_000).contains(rounds) else {
      throw ValidationError("--rounds takes 1 to 100000.")
    }
  }

  func run() throws {
    let report = try PoisonBench(repetitions: runs.repetitions, rounds: rounds).run()
    try runs.conclude(report)
  }
}
