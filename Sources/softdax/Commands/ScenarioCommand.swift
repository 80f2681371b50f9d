internal import ArgumentParser
internal import FoundationEssentials
internal import PmemBase
internal import Scenario

struct ScenarioCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scenario",
    abstract: "Run scenarios of poison, mappings and files, in the model or with processes.",
    subcommands: [RunScenario.self, ExplainScenario.self])
}

/// The kernel whose behaviour is shown, as on every command that asks the model.
struct KernelOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The kernel whose behaviour is shown, or what uname -r says on one.",
      valueName: "6.1|6.12|7.2"))
  var kernel = "7.2"

  func behavior() throws -> KernelBehavior {
    let version = Judge.version(kernel)
    let behavior =
      KernelBehavior(parsing: kernel)
      ?? KernelBehavior.allCases.first { Judge.version($0.shortName) == version }
    guard let behavior else {
      let names = KernelBehavior.allCases.map(\.shortName).joined(separator: ", ")
      throw ValidationError("--kernel \(kernel): not a modelled kernel; there are \(names)")
    }
    return behavior
  }
}

struct RunScenario: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Print what each scenario shows, a JSON object a line.",
    discussion: """
      The rows are those of Tests/ScenarioData/truth.jsonl, which real kernels showed; compare.py there judges one by the other.
      With --live real processes do what the scenario says, on a machine of its own for each; a row of one that this host cannot
      carry out says why in "skipped".

      Example: softdax scenario run --kernel 6.12 Tests/ScenarioData/scenarios/devdax-*.scn > rows.jsonl
      """)

  @OptionGroup var option: KernelOption

  @Flag(help: "With real processes and mappings instead of simulated ones.")
  var live = false

  @Argument(help: ArgumentHelp("Scenarios, one each.", valueName: "file"))
  var files: [String]

  func run() throws {
    let kernel = try option.behavior()
    if live {
      var machine = try LiveRun(kernel: kernel, named: option.kernel)
      for file in files { print(try machine.row(of: try readScenario(file)).text) }
      machine.report()
      return
    }
    for file in files {
      let scenario = try readScenario(file)
      print(Simulator.run(scenario, kernel: kernel, named: option.kernel).json.text)
    }
  }
}

struct ExplainScenario: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain",
    abstract: "Say step by step what was decided, by which rule, with which counts.",
    discussion: """
      Each step is followed by its decisions, with the kernel function that makes them, and by what the step showed.

      Example: softdax scenario explain --kernel 6.12 poison.scn
      """)

  @OptionGroup var option: KernelOption

  @Argument(help: ArgumentHelp("The scenario.", valueName: "file"))
  var file: String

  func run() throws {
    let kernel = try option.behavior()
    let scenario = try readScenario(file)
    let (row, journal) = Simulator.explain(scenario, kernel: kernel, named: option.kernel)
    print("\(scenario.name) on Linux \(kernel.shortName)", terminator: "\n\n")
    print(ScenarioExplanation(row: row, journal: journal).text, terminator: "")
  }
}

/// Reads a scenario's file.
private func readScenario(_ file: String) throws -> Scenario {
  let data: Data
  do {
    data = try Data(contentsOf: URL(filePath: file))
  } catch {
    throw CommandFailure("\(file): cannot be read; give the path of a scenario")
  }
  do throws(ScenarioError) {
    return try Scenario(parsing: data, file: file)
  } catch {
    // As compilers say it, so that editors find the place.
    printError(error.description)
    throw ExitCode.failure
  }
}
