internal import LinuxSys
internal import Wire

/// What a program's environment must say so that it finds the emulated devices.
struct PreloadEnvironment {
  /// The preload library, absolute.
  let library: String
  /// The server's session directory.
  let directory: String

  /// - Throws: as ``PreloadLibrary/find()``.
  init(directory: String) throws(CommandFailure) {
    self.directory = directory
    library = try PreloadLibrary.find()
  }

  /// The two variables, with what was in LD_PRELOAD kept after ours.
  var variables: [(name: String, value: String)] {
    let others = ThisProcess.environment("LD_PRELOAD").map { ":" + $0 } ?? ""
    return [("LD_PRELOAD", library + others), (DeviceTable.environment, directory)]
  }

  /// Lines for `eval` in a shell.
  var exports: [String] {
    variables.map { name, value in
      let quoted = value.split(separator: "'", omittingEmptySubsequences: false)
        .joined(separator: #"'\''"#)
      return "export \(name)='\(quoted)'"
    }
  }

  /// This process's environment with them.
  var environment: [String] {
    let names = variables.map { $0.name + "=" }
    return ThisProcess.environment.filter { entry in
      !names.contains { entry.hasPrefix($0) }
    } + variables.map { "\($0.name)=\($0.value)" }
  }
}
