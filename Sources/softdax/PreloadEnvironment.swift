internal import LinuxSys
internal import Wire

/// What a program's environment must say so that it finds the emulated devices.
struct PreloadEnvironment {
  /// The preload library, absolute.
  let library: String
  /// The server's session directory.
  let directory: String

  /// - Throws: when the library is not where ``PreloadLibrary`` looks.
  init(directory: String) throws(CommandFailure) {
    self.directory = directory
    guard let library = PreloadLibrary.find() else {
      throw CommandFailure(
        "the preload library \(PreloadLibrary.fileName) is not beside this program; build it with scripts/build, or say "
          + "where it is in SOFTDAX_PRELOAD", status: 125)
    }
    self.library = library
  }

  /// The two variables, with what was in LD_PRELOAD kept after ours.
  var variables: [(name: String, value: String)] {
    let others = ThisProcess.environment("LD_PRELOAD").map { ":" + $0 } ?? ""
    return [("LD_PRELOAD", library + others), (DeviceTable.environment, directory)]
  }

  /// This process's environment with them.
  var environment: [String] {
    let names = variables.map { $0.name + "=" }
    return ThisProcess.environment.filter { entry in
      !names.contains { entry.hasPrefix($0) }
    } + variables.map { "\($0.name)=\($0.value)" }
  }
}
