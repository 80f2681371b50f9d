internal import ExtentFS
internal import SystemPackage

/// Tools that make, change and look at files.
extension ShellTool {
  static let files: [String: Run] = [
    "rm": { simulator, call, state in
      let isForced = call.has("f")
      var result = Simulator.CommandResult()
      for path in call.plain {
        if isForced, simulator.shellFile(state.resolve(path)) == nil { continue }
        let one = simulator.fileCommands([.remove(path: state.resolve(path))])
        simulator.append(one, to: &result, &state)
      }
      return result
    },
    "unlink": command { $0.plain.map { .remove(path: $0) } },
    "touch": command { $0.plain.map { .create(path: $0) } },
    "truncate": command { Simulator.truncate($0.arguments) },
    "fallocate": command { Simulator.fallocate($0.arguments) },
    "xfs_io": { simulator, call, state in
      simulator.xfsIO(call, &state)
    },
    "dd": { simulator, call, state in
      simulator.dd(call.arguments, state.resolve)
    },
    "cp": { simulator, call, state in
      guard call.plain.count == 2 else { return .failure(call, "expected FILE FILE") }
      let (from, to) = (state.resolve(call.plain[0]), state.resolve(call.plain[1]))
      let clones = call.arguments.contains { $0.hasPrefix("--reflink") && !$0.hasSuffix("never") }
      return simulator.fileCommands(
        clones
          ? [
            .create(path: to),
            .clone(from: from, to: to, fromOffset: 0, toOffset: 0, length: 0),
          ] : [.copy(from: from, to: to)])
    },
    "mkdir": change { filesystem, call, paths throws(Errno) in
      for path in paths {
        do throws(Errno) {
          _ = try filesystem.makeDirectory(path)
        } catch .fileExists where call.has("p") {}
      }
    },
    "rmdir": change { filesystem, _, paths throws(Errno) in
      for path in paths { try filesystem.unlink(path) }
    },
    "mv": change { filesystem, _, paths throws(Errno) in
      guard paths.count == 2 else { throw .invalidArgument }
      try filesystem.rename(paths[0], paths[1])
    },
    "ln": change { filesystem, _, paths throws(Errno) in
      guard paths.count == 2 else { throw .invalidArgument }
      try filesystem.link(paths[0], paths[1])
    },
    "ls": { simulator, call, state in list(&simulator, call, &state) },
    "stat": { simulator, call, state in status(&simulator, call, &state) },
    "du": { simulator, call, state in
      var result = Simulator.CommandResult()
      for path in call.plain {
        guard let file = simulator.shellFile(state.resolve(path)) else {
          return .failure(call, "cannot access '\(path)': No such file or directory")
        }
        result.output += "\((file.size + 1023) / 1024)\t\(path)\n"
      }
      return result
    },
    "readlink": { simulator, call, state in
      let path = call.plain.first ?? ""
      let target = simulator.resolved(state.resolve(path))
      guard target != nil || call.has("f") else { return .init(status: 1) }
      return .init(output: (target ?? path) + "\n")
    },
    "realpath": { simulator, call, state in
      let path = state.resolve(call.plain.first ?? "")
      return .init(output: (simulator.resolved(path) ?? path) + "\n")
    },
    "filefrag": { simulator, call, state in
      var result = Simulator.CommandResult()
      for path in call.plain {
        let one = simulator.fragments(of: state.resolve(path), call)
        simulator.append(one, to: &result, &state)
      }
      return result
    },
  ]

  private static func command(
    _ commands: @escaping @Sendable (ShellCall) -> [FileCommand]
  ) -> Run {
    { simulator, call, state in
      simulator.fileCommands(commands(call).map { $0.resolved(state.resolve) })
    }
  }

  /// A change of names, on the filesystem that is mounted.
  private static func change(
    _ body: @escaping @Sendable (ExtentFS, ShellCall, [String]) throws(Errno) -> Void
  ) -> Run {
    { simulator, call, state in
      let paths = call.plain.map { state.resolve($0) }
      let inner = paths.compactMap { Simulator.mountedPath($0) }
      guard inner.count == paths.count, let (_, filesystem) = simulator.mountedFilesystem else {
        simulator.note("shell", "\(call.tool) outside of /mnt has no effect in the model")
        return .init()
      }
      do throws(Errno) {
        try body(filesystem, call, inner)
        return .init()
      } catch {
        return .failure(call, error.name)
      }
    }
  }

  private static func list(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    var result = Simulator.CommandResult()
    for path in call.plain.isEmpty ? ["."] : call.plain {
      let whole = state.resolve(path)
      guard let file = simulator.shellFile(whole) else {
        result.status = 2
        result.errors += "ls: cannot access '\(path)': No such file or directory\n"
        continue
      }
      let names =
        file.kind == .directory && !call.has("d") ? simulator.names(in: whole) : [path]
      result.output += joined(names.filter { !$0.hasPrefix(".") || $0 == path || call.has("a") })
    }
    return result
  }

  /// `stat [-c FORMAT]`, of which names, sizes and kinds are known.
  private static func status(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    let format = call.value(of: "-c", "--format")
    var result = Simulator.CommandResult()
    for path in call.plain where path != format {
      guard let file = simulator.shellFile(state.resolve(path)) else {
        result.status = 1
        result.errors += "stat: cannot statx '\(path)': No such file or directory\n"
        continue
      }
      let kind =
        switch file.kind {
        case .regular: file.size == 0 ? "regular empty file" : "regular file"
        case .directory: "directory"
        case .block: "block special file"
        case .character: "character special file"
        }
      let blocks = (file.size + 511) / 512
      var text = escaped(format ?? "  File: %n\n  Size: %s\tBlocks: %b\t%F") + "\n"
      for (mark, value) in [
        ("%n", path), ("%s", String(file.size)), ("%F", kind), ("%b", String(blocks)),
      ] {
        text = text.replacing(mark, with: value)
      }
      guard state.budget.spend(text.utf8.count) else { return result }
      result.output += text
    }
    return result
  }
}

extension FileCommand {
  /// With paths that `resolve` gives for its own.
  func resolved(_ resolve: (String) -> String) -> FileCommand {
    switch self {
    case .create(let path): .create(path: resolve(path))
    case .write(let path, let part, let value):
      .write(path: resolve(path), part: part, value: value)
    case .read(let path, let part): .read(path: resolve(path), part: part)
    case .truncate(let path, let length): .truncate(path: resolve(path), length: length)
    case .allocate(let path, let mode, let part):
      .allocate(path: resolve(path), mode: mode, part: part)
    case .extentSizeHint(let path, let length): .extentSizeHint(path: resolve(path), length: length)
    case .clone(let from, let to, let fromOffset, let toOffset, let length):
      .clone(
        from: resolve(from), to: resolve(to), fromOffset: fromOffset, toOffset: toOffset,
        length: length)
    case .synchronize(let path): .synchronize(path: resolve(path))
    case .remove(let path): .remove(path: resolve(path))
    case .copy(let from, let to): .copy(from: resolve(from), to: resolve(to))
    case .list(let path): .list(path: resolve(path))
    }
  }
}
