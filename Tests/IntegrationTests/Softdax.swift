internal import TestSupport

/// `softdax` as a user starts it.
enum Softdax {
  /// `softdax run OPTIONS -- COMMAND`, to its end.
  static func run(
    _ options: [String] = [], _ command: [String], environment: [String] = [],
    in directory: String? = nil
  ) throws -> Program.Output {
    try Program.run(
      [Project.softdax, "run"] + options + ["--"] + command, environment: environment,
      in: directory)
  }

  /// `softdax COMMAND …`, to its end.
  static func tool(_ words: [String], environment: [String] = []) throws -> Program.Output {
    try Program.run([Project.softdax] + words, environment: environment)
  }
}

/// A `softdax serve` of a test: stopped at the end, with its folder.
final class Service {
  let folder: Scratch
  let socket: String
  let program: Program

  init(_ options: [String] = []) throws {
    folder = try Scratch()
    socket = folder.path + "/dax.sock"
    program = try Program([Project.softdax, "serve", "--socket", socket] + options)
    guard program.waitForOutput("serving") else {
      throw ServiceError(message: program.complained)
    }
  }

  /// Runs a program on it.
  func run(_ command: [String]) throws -> Program.Output {
    try Program.run(
      [Project.softdax, "run", "--socket", socket, "--"] + command)
  }

  /// Starts a program on it.
  func start(_ command: [String], holdsInput: Bool = false) throws -> Program {
    try Program(
      [Project.softdax, "run", "--socket", socket, "--"] + command, holdsInput: holdsInput)
  }

  func stop() throws -> Program.Output {
    program.send(signal: 15)
    return try program.wait()
  }

  deinit { program.send(signal: 9) }
}

struct ServiceError: Error { let message: String }

/// fio's dev-dax jobs, verified by checksum.
enum Fio {
  static func words(_ options: [String]) -> [String] {
    ["fio", "--ioengine=dev-dax", "--filename=/dev/dax0.0", "--name=t", "--verify_state_save=0"]
      + options
  }
}

extension String {
  /// How often `part` is in it.
  func components(_ part: String) -> Int {
    var count = 0
    var rest = self[...]
    while let found = rest.firstRange(of: part) {
      count += 1
      rest = rest[found.upperBound...]
    }
    return count
  }
}
