internal import CSoftdax
internal import Glibc
public import SystemPackage

/// A program as a file.
public enum ProgramFile {
  public struct Facts: Sendable {
    public let mode: UInt32
    public let user: UInt32
    public let group: UInt32
    /// It has file capabilities. Source: `capabilities(7)`.
    public let hasCapabilities: Bool
  }

  public static func facts(_ path: String) throws(Errno) -> Facts {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw Errno(rawValue: errno) }
    return Facts(
      mode: status.st_mode, user: status.st_uid, group: status.st_gid,
      hasCapabilities: unsafe sd_has_capabilities(path) > 0)
  }

  /// The path of `command`, looked for in $PATH if it has no slash, as `execvp(3)` does.
  ///
  /// - Throws: `.noSuchFileOrDirectory`; `.permissionDenied` if it was found and cannot be executed.
  public static func find(_ command: String) throws(Errno) -> String {
    if command.contains("/") {
      guard unsafe access(command, F_OK) == 0 else { throw .noSuchFileOrDirectory }
      guard isExecutable(command) else { throw .permissionDenied }
      return command
    }
    var found = false
    let path = ThisProcess.environment("PATH") ?? "/bin:/usr/bin"
    for folder in path.split(separator: ":", omittingEmptySubsequences: false) {
      let candidate = (folder.isEmpty ? "." : String(folder)) + "/" + command
      if isExecutable(candidate) { return candidate }
      if unsafe access(candidate, F_OK) == 0 { found = true }
    }
    throw found ? .permissionDenied : .noSuchFileOrDirectory
  }

  private static func isExecutable(_ path: String) -> Bool {
    guard let facts = try? facts(path), facts.mode & S_IFMT == S_IFREG else { return false }
    return unsafe access(path, X_OK) == 0
  }
}
