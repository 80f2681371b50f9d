internal import ArgumentParser

/// What every comparison is asked for.
struct BenchRuns: ParsableArguments {
  @Option(help: ArgumentHelp("Times that each row is measured on each side.", valueName: "n"))
  var repetitions = 9

  @Flag(help: "JSON, with every repetition.")
  var json = false

  func validate() throws {
    guard (1...1000).contains(repetitions) else {
      throw ValidationError("--repetitions takes 1 to 1000; 9 or more for figures to quote.")
    }
  }

  /// Prints it. A report that is void, or misses a target, is the command's failure.
  func conclude(_ report: some BenchReport) throws {
    print(json ? try jsonText(report) : report.text, terminator: json ? "\n" : "")
    if report.control.isVoid || report.hasFailure { throw ExitCode.failure }
  }
}

struct TouchedPages: ParsableArguments {
  @Option(help: ArgumentHelp("4 KiB pages that a measurement touches.", valueName: "n"))
  var pages: UInt64 = 8192

  func validate() throws {
    guard (256...1 << 20).contains(pages) else {
      throw ValidationError("--pages takes 256 to 1048576 (1 MiB to 4 GiB).")
    }
  }
}

/// Figures of two sides that alternated in one run.
protocol BenchReport: Encodable {
  var text: String { get }
  var control: Control { get }
  /// A row misses its target.
  var hasFailure: Bool { get }
}
