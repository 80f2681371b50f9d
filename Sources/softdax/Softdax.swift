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
        name: "Breaking:",
        subcommands: [
          InjectError.self, ClearErrors.self, StartScrub.self, WaitScrub.self, Pin.self, Unpin.self,
          Unbind.self,
        ]),
      CommandGroup(
        name: "Looking:",
        subcommands: [
          List.self, Pages.self, LatencyCommand.self, Owners.self, Monitor.self,
        ]),
      CommandGroup(name: "Filesystems:", subcommands: [Fsck.self]),
      CommandGroup(name: "The model:", subcommands: [ScenarioCommand.self]),
      CommandGroup(
        name: "This host:",
        subcommands: [Check.self, Bench.self, BenchWorkload.self, BenchPoisonWorkload.self]),
    ])

  /// Runs the command; what goes wrong is one line on standard error and the exit status.
  static func main() {
    do {
      var command = try parseAsRoot()
      if let run = command as? Run, try explain(run) { return }
      try command.run()
    } catch let failure as CommandFailure {
      printError("softdax: \(failure.description)")
      Glibc.exit(failure.status)
    } catch let status as ExitCode {
      Glibc.exit(status.rawValue)
    } catch {
      let status = exitCode(for: error)
      // --help and --version.
      if status.isSuccess { exit(withError: error) }
      // One line, as for every other failure; the argument parser would add the usage.
      let isUsage = status == .validationFailure
      let what = isUsage ? usage(message(for: error)) : "\(error)"
      let line = what.split(whereSeparator: \.isNewline).joined(separator: " ")
      printError("softdax: \(line)" + (isUsage ? " (softdax --help, softdax help COMMAND)" : ""))
      // As env(1): what the program of a run did is not to be confused with that.
      let isRun = CommandLine.arguments.dropFirst().first == "run"
      Glibc.exit(isRun ? Run.Status.own : isUsage ? status.rawValue : 1)
    }
  }

  /// A negative number is an option to the parser, which says of the one before it that its value is missing.
  private static func usage(_ message: String) -> String {
    let own = CommandLine.arguments.dropFirst().prefix { $0 != "--" }
    guard message.hasPrefix("Missing value") else { return message }
    for (option, value) in zip(own, own.dropFirst())
    where option.hasPrefix("-") && value.hasPrefix("-") {
      guard value.dropFirst().first?.isNumber == true else { continue }
      return "\(option) \(value): nothing here is less than 0; give a number without a sign"
    }
    return message
  }

  /// What the parser leaves to `run`, whose program has options too: --help, and options that `run` does not have.
  ///
  /// - Returns: whether it was a question, and is answered.
  private static func explain(_ run: Run) throws -> Bool {
    guard let word = run.command.first, word.hasPrefix("-"), word != "--" else { return false }
    guard word == "--help" || word == "-h" else {
      throw ValidationError("run has no option \(word); before a program of that name write --")
    }
    print(helpMessage(for: Run.self))
    return true
  }
}
