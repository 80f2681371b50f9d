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
      // Usage errors, --help and exit statuses are the argument parser's; anything else is ours to word.
      guard exitCode(for: error) == .failure, !(error is ExitCode) else { exit(withError: error) }
      printError("softdax: \(error)")
      Glibc.exit(1)
    }
  }
}
