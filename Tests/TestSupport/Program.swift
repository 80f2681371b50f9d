internal import LinuxSys
internal import SystemPackage

/// A real program, run by a test: its output goes to files, its time is bounded.
public final class Program: Sendable {
  public struct Output: Sendable {
    /// Exit status, or 128 + signal.
    public let status: Int32
    public let out: String
    public let err: String
    /// It was killed because its time was up.
    public let timedOut: Bool

    /// Everything, for a failing test's message.
    public var all: String {
      "status \(status)\(timedOut ? " (timed out)" : "")\n--- out\n\(out)\n--- err\n\(err)"
    }
  }

  private let folder: Scratch
  private let child: ChildProcess
  public var identifier: Int32 { child.identifier }

  /// Starts `words`; the first is a path or is looked for in $PATH.
  ///
  /// - Parameter input: what it reads; without it /dev/null. With `holdsInput` it reads from a FIFO until ``closeInput()``.
  public init(
    _ words: [String], environment: [String] = [], in directory: String? = nil,
    holdsInput: Bool = false
  ) throws {
    folder = try Scratch()
    let quoted = words.map(Self.quote).joined(separator: " ")
    let variables = environment.map { "export " + Self.quote($0) + "; " }.joined()
    let change = directory.map { "cd \(Self.quote($0)) && " } ?? ""
    var input = "/dev/null"
    if holdsInput {
      input = folder.path + "/in"
      let maker = try ChildProcess(
        path: "/bin/sh", arguments: ["sh", "-c", "mkfifo \(input)"],
        environment: ThisProcess.environment, mask: SignalMask())
      _ = try maker.reap(block: true)
    }
    // `0<>`: opening a FIFO for reading alone would wait for a writer.
    let redirect = holdsInput ? "0<>\(input)" : "<\(input)"
    child = try ChildProcess(
      path: "/bin/sh",
      arguments: [
        "sh", "-c",
        "\(variables)\(change)exec \(quoted) \(redirect) >\(folder.path)/out 2>\(folder.path)/err",
      ],
      environment: ThisProcess.environment, mask: SignalMask())
  }

  /// Runs `words` to their end.
  public static func run(
    _ words: [String], environment: [String] = [], in directory: String? = nil
  ) throws -> Output {
    try Program(words, environment: environment, in: directory).wait()
  }

  /// Waits for the end; kills it when it hangs.
  public func wait() throws -> Output {
    var ending: ChildProcess.Ending?
    if try eventually({
      ending = try child.reap(block: false)
      return ending != nil
    }), let ending {
      return output(ending, timedOut: false)
    }
    child.send(number: 9)
    guard let ending = try child.reap(block: true) else { throw Errno.noSuchProcess }
    return output(ending, timedOut: true)
  }

  private func output(_ ending: ChildProcess.Ending, timedOut: Bool) -> Output {
    Output(status: ending.status, out: text("out"), err: text("err"), timedOut: timedOut)
  }

  /// What it has printed so far.
  public var printed: String { text("out") }
  public var complained: String { text("err") }

  private func text(_ name: String) -> String {
    (try? SmallFile.read(folder.path + "/" + name)) ?? ""
  }

  /// Waits until it has printed `text`. - Returns: `false` when that does not come.
  public func waitForOutput(_ text: String) -> Bool { eventually { printed.contains(text) } }

  public func send(signal number: Int32) { child.send(number: number) }

  /// For `holdsInput`: one line, after which a program that waits for a line goes on.
  public func sendLine() throws {
    try SmallFile.append(Array("\n".utf8), to: folder.path + "/in")
  }

  private static func quote(_ word: String) -> String {
    "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
      + "'"
  }
}

/// A folder that goes away with its owner.
public final class Scratch: Sendable {
  public let path: String

  /// - Parameter base: where; default /tmp.
  public init(in base: String = "/tmp") throws {
    path = "\(base)/softdax-test-\(ThisProcess.identifier)-\(UInt64.unguessable())"
    try Folder.make(path, mode: 0o755)
  }

  deinit { Folder.remove(path) }
}

/// Where the project's programs are.
public enum Project {
  public static let root: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
  }()
  public static let softdax = root + "/build/bin/softdax"
  /// A program of Tests/Programs.
  public static func program(_ name: String) -> String { root + "/build/test-programs/" + name }
}
