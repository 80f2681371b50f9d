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

  @Option(help: ArgumentHelp("Times that each row is measured on each side.", valueName: "n"))
  var repetitions = 9

  @Option(help: ArgumentHelp("4 KiB pages that a measurement touches.", valueName: "n"))
  var pages: UInt64 = 8192

  @Flag(help: "Only the C side: what this host can do at best.")
  var baseline = false

  @Flag(help: "JSON, with every repetition.")
  var json = false

  func validate() throws {
    guard (1...1000).contains(repetitions) else {
      throw ValidationError("--repetitions takes 1 to 1000; 9 or more for figures to quote.")
    }
    guard (256...1 << 20).contains(pages) else {
      throw ValidationError("--pages takes 256 to 1048576 (1 MiB to 4 GiB).")
    }
  }

  func run() throws {
    var bench = try InsertBench(repetitions: repetitions, pages: pages, withServer: !baseline)
    let report = try bench.run()
    print(json ? try jsonText(report) : report.text, terminator: json ? "\n" : "")
    if report.control.isVoid || report.hasFailure { throw ExitCode.failure }
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

  @Option(help: ArgumentHelp("Times that each row is measured on each side.", valueName: "n"))
  var repetitions = 9

  @Option(help: ArgumentHelp("Pages that a measurement touches.", valueName: "n"))
  var pages: UInt64 = 8192

  @Flag(help: "JSON, with every repetition.")
  var json = false

  func validate() throws {
    guard (1...1000).contains(repetitions) else {
      throw ValidationError("--repetitions takes 1 to 1000; 9 or more for figures to quote.")
    }
    guard (256...1 << 20).contains(pages) else {
      throw ValidationError("--pages takes 256 to 1048576 (1 MiB to 4 GiB).")
    }
  }

  func run() throws {
    let report = try FileBench(repetitions: repetitions, pages: pages).run()
    print(json ? try jsonText(report) : report.text, terminator: json ? "\n" : "")
    if report.control.isVoid || report.hasFailure { throw ExitCode.failure }
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

  @Option(help: ArgumentHelp("Times that each row is measured on each side.", valueName: "n"))
  var repetitions = 9

  @Option(help: ArgumentHelp("Errors of one measurement.", valueName: "n"))
  var rounds = 200

  @Flag(help: "JSON, with every repetition.")
  var json = false

  func validate() throws {
    guard (1...1000).contains(repetitions) else {
      throw ValidationError("--repetitions takes 1 to 1000; 9 or more for figures to quote.")
    }
    guard (1...100_000).contains(rounds) else {
      throw ValidationError("--rounds takes 1 to 100000.")
    }
  }

  func run() throws {
    let report = try PoisonBench(repetitions: repetitions, rounds: rounds).run()
    print(json ? try jsonText(report) : report.text, terminator: json ? "\n" : "")
    if report.control.isVoid || report.hasFailure { throw ExitCode.failure }
  }
}
