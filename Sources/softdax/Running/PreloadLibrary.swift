internal import LinuxSys
internal import PmemBase
internal import SystemPackage

/// Files that belong to this program: where $VARIABLE says; else as installed, or beside the executable.
struct Companion {
  let fileName: String
  let variable: String
  /// What it is, for messages.
  let kind: String

  /// Runs scenarios with real processes.
  static let worker = Companion(
    fileName: "softdax-worker", variable: "SOFTDAX_WORKER", kind: "the scenario worker")

  /// Its canonical path.
  func find() throws(CommandFailure) -> String {
    let folder = FilePath(ThisProcess.executable).removingLastComponent().string
    let named = ThisProcess.environment(variable)
    let candidates =
      named.map { [$0] } ?? [
        "\(folder)/../lib/softdax/\(fileName)", "\(folder)/../lib/\(fileName)",
        "\(folder)/\(fileName)",
      ]
    guard let path = candidates.firstNonNil({ try? Folder.canonical($0) }) else {
      let what =
        named.map { "\(variable) names \($0), which is not there" }
        ?? "\(kind) \(fileName) is not beside this program"
      throw CommandFailure(
        "\(what); build it with scripts/build, or say where it is in \(variable)",
        status: Run.Status.own)
    }
    return path
  }
}

/// The shim that LD_PRELOAD puts into workloads.
enum PreloadLibrary {
  static let companion = Companion(
    fileName: "libsoftdax-preload.so", variable: "SOFTDAX_PRELOAD", kind: "the preload library")

  /// Its canonical path.
  ///
  /// - Throws: when it is not there, or where LD_PRELOAD cannot name it: then a program would run without any device.
  static func find() throws(CommandFailure) -> String {
    let path = try companion.find()
    // Source: `ld.so(8)`: entries of LD_PRELOAD end at a space or a colon, which cannot be escaped.
    guard !path.contains(where: { $0 == " " || $0 == ":" }) else {
      throw CommandFailure(
        "LD_PRELOAD cannot name \(path): it has a space or a colon; copy the library to a path without, "
          + "and say so in \(companion.variable)", status: Run.Status.own)
    }
    return path
  }
}
