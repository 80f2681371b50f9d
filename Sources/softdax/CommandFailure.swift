internal import LinuxSys
internal import PmemBase
internal import SystemPackage
internal import Wire

/// Why a command ends without its result: one line that says what failed, on what, and what to do.
struct CommandFailure: Error, CustomStringConvertible {
  /// A prerequisite is missing: what test suites take for "skipped".
  static let skipped: Int32 = 77

  let description: String
  var status: Int32 = 1

  init(_ description: String, status: Int32 = 1) {
    self.description = description
    self.status = status
  }

  /// A question to the server at `socket` that got no answer.
  init(_ error: WireError, at socket: String) {
    switch error {
    case .disconnected(Errno.timedOut.rawValue):
      self.init(Self.busy(socket))
    case .disconnected(let code):
      self.init(
        "no server answers at \(socket) (\(Errno(rawValue: code))); "
          + "start one with `softdax serve`, or give another --socket")
    case .refused(let code):
      self.init("the server at \(socket) refused: \(Errno(rawValue: code))")
    case .malformed, .unexpected:
      self.init(
        "the server at \(socket) speaks another version of the protocol; "
          + "use the softdax that started it")
    }
  }

  /// A server that has taken the question, and not answered for as long as a tool waits.
  private static func busy(_ socket: String) -> String {
    guard let server = try? RunningServer(socket: socket) else {
      return "the server at \(socket) does not answer; it may be stopped (kill -CONT, or end it)"
    }
    let process = server.info.awaited
    guard process != 0 else {
      return
        "the server at \(socket) is busy and has not answered yet; what was asked for may come later"
    }
    let what =
      ProcessFacts.isStopped(process) ? "is stopped (kill -CONT \(process))" : "does not answer"
    return
      "the server at \(socket) is busy: process \(process), which has the page mapped, \(what); "
      + "what was asked for comes when that goes on"
  }
}

/// Writes one line to standard error.
func printError(_ line: String) {
  _ = try? FileDescriptor.standardError.writeAll((line + "\n").utf8)
}

extension ByteCount {
  /// What the user wrote for an option, in bytes.
  static func bytes(_ text: String, of option: String) throws(CommandFailure) -> UInt64 {
    do throws(SizeError) {
      return try ByteCount(parsing: text).bytes
    } catch {
      throw CommandFailure("\(option): \(error)")
    }
  }
}
