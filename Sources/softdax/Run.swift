internal import ArgumentParser
internal import LinuxSys
internal import Logging
internal import Server
internal import SystemPackage
internal import Wire

/// `softdax run`: a machine for the time of one command.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a program on an emulated /dev/dax0.0.",
    discussion: """
      The program and its children find the device in /dev and /sys; every page they touch is handed out and counted. The exit
      status is the program's (128 + signal if one killed it); 125 if softdax itself fails, 126 if the program cannot be run, 127
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
    do {
      if let socket {
        guard machine.isDefault, !report else {
          throw ValidationError(
            "with --socket the machine is the server's: give its options to softdax serve, and ask it "
              + "with softdax list, pages, latency")
        }
        let client = try RunningServer(socket: socket)
        let ending = try launch(
          program, Array(words), in: client.info.directory, signals: SignalQueue())
        throw ExitCode(ending.status)
      }
      if !machine.fs.isEmpty { try PrivateMounts.enterIfNeeded() }
      let signals = try SignalQueue()
      let server = try Server(machine.serverOptions(), logger: .softdax)
      try server.start()
      let ending: ChildProcess.Ending
      do {
        ending = try launch(program, Array(words), in: server.path, signals: signals)
      } catch {
        server.stop()
        throw error
      }
      finish(server, program: name)
      throw ExitCode(ending.status)
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
    signals: borrowing SignalQueue
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
