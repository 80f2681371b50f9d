internal import ArgumentParser
internal import LinuxSys
internal import Logging
internal import MemoryFailure
internal import Server
internal import SystemPackage
internal import Wire

/// `softdax run`: a machine for the time of one command.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a program on an emulated /dev/dax0.0.",
    discussion: """
      The program and its children find the device in /dev and /sys; every page they touch is handed out and counted. The exit
      status is the program's (128 + signal if one killed it; see --expect); 125 if softdax itself fails, 126 if the program cannot be run, 127
      if it is not found.

      Example: softdax run --size 1g -- fio --name=t --ioengine=dev-dax --filename=/dev/dax0.0 --rw=write --bs=2m --size=64m
      """)

  @OptionGroup var machine: MachineOptions

  @Option(help: "Use the server at this socket instead of a machine of one's own.")
  var socket: String?

  @Flag(
    help:
      "Tell on standard error what was inserted, how fast, and whether every page is idle again.")
  var report = false

  @Option(
    help: ArgumentHelp(
      "An error that comes by itself: fault=N or time=250ms (else at the start); offset=BYTES, page=random,seed=N or page=fault; as=machine-check (default), poison, latent or media; count=SECTORS; device=NAME. May be repeated.",
      valueName: "rule"))
  var inject: [String] = []

  @Option(
    help: ArgumentHelp(
      "sigbus: the exit status says what the program made of memory errors. 0: a handler of it was called, and it ended with 0 (its own status otherwise); 120: it met none; 121: it met one, and neither handled it nor died of it; 135: it died of one.",
      valueName: "sigbus"))
  var expect: Expectation?

  enum Expectation: String, ExpressibleByArgument { case sigbus }

  @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.")
  var command: [String]

  /// Exit statuses of env(1) for failures that are not the program's.
  enum Status {
    static let own: Int32 = 125
    static let cannotRun: Int32 = 126
    static let notFound: Int32 = 127
  }

  func run() throws {
    var words = command[...]
    if words.first == "--" { words = words.dropFirst() }
    guard let name = words.first else {
      throw ValidationError("no program given: softdax run [OPTIONS] -- PROGRAM [ARGUMENTS]")
    }
    let program = try Self.resolve(name)
    let rules = try inject.map { text in
      do throws(InjectionRuleError) {
        return try InjectionRule(parsing: text)
      } catch {
        throw ValidationError(error.description)
      }
    }
    do {
      if let socket {
        guard machine.isDefault, !report, rules.isEmpty, expect == nil else {
          throw ValidationError(
            "with --socket the machine is the server's: give its options to softdax serve, and ask it "
              + "with softdax list, pages, latency, inject-error, monitor")
        }
        let client = try RunningServer(socket: socket)
        let ending = try launch(
          program, Array(words), in: client.info.directory, signals: SignalQueue())
        throw ExitCode(ending.status)
      }
      if !machine.fs.isEmpty { try PrivateMounts.enterIfNeeded() }
      let signals = try SignalQueue()
      let server = try Server(machine.serverOptions(), logger: .softdax)
      let tally = ErrorTally(server)
      try server.start()
      for line in server.shortcomings { printError("softdax: \(line)") }
      let ending: ChildProcess.Ending
      do {
        try server.prepare(rules)
        ending = try launch(program, Array(words), in: server.path, signals: signals) {
          try server.startTimers(rules)
        }
      } catch {
        server.stop()
        throw error
      }
      finish(server, program: name)
      if let reason = tally.failures.first { printError("softdax: \(reason)") }
      guard expect == .sigbus else { throw ExitCode(ending.status) }
      let verdict = tally.verdict(ending)
      printError("softdax: \(name) \(verdict.text)")
      throw ExitCode(verdict.status)
    } catch let error as Server.RuleFailure {
      throw CommandFailure(error.description, status: Status.own)
    } catch let error as ServerError {
      throw CommandFailure(error.description, status: Status.own)
    } catch let error as WireError {
      throw CommandFailure(
        CommandFailure(error, at: socket ?? "").description, status: Status.own)
    } catch let error as Errno {
      throw CommandFailure("run: \(error)", status: Status.own)
    }
  }

  /// The program's file; refuses what the preload shim cannot reach.
  private static func resolve(_ name: String) throws(CommandFailure) -> String {
    let path: String
    do throws(Errno) {
      path = try ProgramFile.find(name)
    } catch .noSuchFileOrDirectory {
      throw CommandFailure("\(name): no such program", status: Status.notFound)
    } catch {
      throw CommandFailure("\(name) cannot be executed: \(error)", status: Status.cannotRun)
    }
    if let obstacle = ProgramInspection.obstacle(path) {
      throw CommandFailure("\(name) \(obstacle.description)", status: Status.cannotRun)
    }
    return path
  }

  /// Starts the program and passes signals on until it has ended.
  private func launch(
    _ program: String, _ arguments: [String], in directory: String,
    signals: borrowing SignalQueue, begun: () throws -> Void = {}
  ) throws -> ChildProcess.Ending {
    let environment = try PreloadEnvironment(directory: directory).environment
    let mask = signals.previousMask
    let start = {
      try ChildProcess(
        path: program, arguments: arguments, environment: environment, mask: mask)
    }
    let child: ChildProcess
    do {
      child = try machine.cpu.map { try LinuxSys.Placement.pinned(to: $0, start) } ?? start()
    } catch let error as Errno {
      throw CommandFailure(
        "\(arguments[0]) cannot be executed: \(error)", status: Status.cannotRun)
    }
    try begun()
    while true {
      if let ending = try child.reap(block: false) { return ending }
      let signal = try signals.next()
      // What the terminal sent, it sent to the program as well; but for the end of the terminal.
      if (signal.isFromProcess || signal.isHangup) && !signal.isChildEnded { child.send(signal) }
    }
  }

  /// Waits until the references are back, says so if asked, and ends the machine.
  private func finish(_ server: Server, program: String) {
    for (process, command) in server.workloads where !ProcessFacts.isGone(process) {
      printError(
        "softdax: \(command) (pid \(process)) still has the device mapped; it is withdrawn now, and a touch is SIGBUS"
      )
    }
    server.stop()
    if report { RunReport(server, program: program, cpu: machine.cpu).print() }
    if !server.isIdle {
      printError("softdax: some pages are not idle after the last workload: a bug in softdax")
    }
  }
}

extension Logger {
  /// The server's voice: errors, on standard error; more with SOFTDAX_LOG=warning, all of it with SOFTDAX_LOG=debug.
  static var softdax: Logger {
    var logger = Logger(label: "softdax") { StreamLogHandler.standardError(label: $0) }
    logger.logLevel =
      ThisProcess.environment("SOFTDAX_LOG").flatMap { Logger.Level(rawValue: $0) } ?? .error
    return logger
  }
}
