internal import ArgumentParser
internal import Glibc

@main
struct Softdax: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "softdax", abstract: "A persistent-memory machine without the hardware.",
    version: "0.1.0",
    groupedSubcommands: [
      CommandGroup(
        name: "Emulating devices:", subcommands: [Run.self, Serve.self, Environment.self]),
      CommandGroup(
        name: "Looking:", subcommands: [List.self, Pages.self, LatencyCommand.self]),
      CommandGroup(name: "The model:", subcommands: [ScenarioCommand.self]),
      CommandGroup(name: "This host:", subcommands: [Check.self, Bench.self, BenchWorkload.self]),
    ])

  /// Runs the command; what goes wrong is one line on standard error and the exit status.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      printError("softdax: \(failure.description)")
      Glibc.exit(failure.status)
    } catch {
      switch exitCode(for: error) {
      case .validationFailure:
        refuse(message(for: error))
      case .failure where !(error is ExitCode):
        printError("softdax: \(error)")
        Glibc.exit(1)
      default:
        // --help and the statuses of programs.
        exit(withError: error)
      }
    }
  }

  /// Ends with what is wrong with the command line, in one line.
  ///
  /// The status is the argument parser's own (EX_USAGE), but for `run`, whose every failure is 125 as with env(1).
  private static func refuse(_ message: String) -> Never {
    let words = CommandLine.arguments.dropFirst()
    let name = configuration.subcommands.map { $0._commandName }.first { $0 == words.first }
    let command = (["softdax"] + (name.map { [$0] } ?? [])).joined(separator: " ")
    let line = message.split(separator: "\n").joined(separator: " ")
    printError("\(command): \(line); \(command) --help says more")
    Glibc.exit(name == "run" ? Run.Status.own : ExitCode.validationFailure.rawValue)
  }
}
