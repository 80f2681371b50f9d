internal import ArgumentParser
internal import LinuxSys
internal import Logging
internal import Server
internal import SystemPackage
internal import Wire

/// `softdax serve`: a machine that several workloads attach to.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve emulated devices to any number of workloads until SIGINT or SIGTERM.",
    discussion: """
      Prints one line when it is ready. Workloads attach with softdax run --socket PATH -- PROGRAM, or with
      eval "$(softdax env --socket PATH)".

      Example: softdax serve --socket /tmp/dax.sock --medium /var/tmp/pmem.img --size 1g
      """)

  @OptionGroup var machine: MachineOptions

  @Option(help: "Make a link to the server's socket at this path.")
  var socket: String?

  func run() throws {
    do {
      let signals = try SignalQueue()
      let server = try Server(machine.serverOptions(socket: socket), logger: .softdax)
      try server.start()
      for line in server.shortcomings { printError("softdax: \(line)") }
      let names = (server.deviceNames.map { "/dev/" + $0 } + server.mounts).joined(separator: ", ")
      let line = "softdax: serving \(names) at \(socket ?? server.socket)\n"
      _ = try? FileDescriptor.standardOutput.writeAll(line.utf8)
      while true {
        let signal = try signals.next()
        if signal.isTermination { break }
      }
      server.stop()
    } catch let error as ServerError {
      throw CommandFailure(error.description, status: Run.Status.own)
    } catch let error as Errno {
      throw CommandFailure("serve: \(error)", status: Run.Status.own)
    }
  }
}

/// `softdax env`: for those who set the environment themselves, such as systemd units.
struct Environment: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "env",
    abstract: "Print the environment that attaches a program to a running server.",
    discussion: #"Example: eval "$(softdax env --socket /tmp/dax.sock)""#)

  @OptionGroup var server: ServerOption

  func run() throws {
    let directory = try server.connect().info.directory
    for line in try PreloadEnvironment(directory: directory).exports { print(line) }
  }
}
