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
