internal import FoundationEssentials

/// The shim that LD_PRELOAD puts into workloads.
enum PreloadLibrary {
  static let fileName = "libsoftdax-preload.so"

  /// Where it may be, in order: $SOFTDAX_PRELOAD, then as installed, then beside the executable.
  static func candidates(environment: [String: String], executable: String) -> [String] {
    let directory = executable.split(separator: "/", omittingEmptySubsequences: false)
      .dropLast().joined(separator: "/")
    return (environment["SOFTDAX_PRELOAD"].map { [$0] } ?? [])
      + ["\(directory)/../lib/softdax/\(fileName)", "\(directory)/../lib/\(fileName)"]
      + ["\(directory)/\(fileName)"]
  }

  /// The first candidate that exists.
  static func find() -> String? {
    candidates(
      environment: ProcessInfo.processInfo.environment,
      executable: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        ?? ""
    ).first(where: HostFile.exists)
  }
}
