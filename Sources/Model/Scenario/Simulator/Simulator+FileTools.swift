/// What file tools are told, as commands on files.
extension Simulator {
  mutating func fileCommands(_ commands: [FileCommand]) -> CommandResult {
    perform(commands.map(MachineOperation.fileCommand))
  }

  /// `xfs_io [-f] [-c COMMAND]… FILE`; without a command, what is fed in.
  mutating func xfsIO(_ call: ShellCall, _ state: inout ShellState) -> CommandResult {
    var commands: [String] = []
    var creates = false
    var path: String?
    var rest = call.arguments[...]
    while let word = rest.popFirst() {
      if word == "-c" || word == "-C" {
        if let command = rest.popFirst() { commands.append(command) }
      } else if word.hasPrefix("-") {
        creates = creates || word.contains("f")
      } else {
        path = state.resolve(word)
      }
    }
    guard let path else { return CommandResult(status: 1, errors: "xfs_io: no file\n") }
    if commands.isEmpty { commands = ShellTool.lines(call.input.all()) }
    var result = CommandResult()
    if creates { append(fileCommands([.create(path: path)]), to: &result, &state) }
    var status = result.status
    for command in commands where state.budget.spendCommand() && stopped == nil {
      append(xfsIO(command, path, state), to: &result, &state)
      status = max(status, result.status)
      guard state.budget.spend(command.utf8.count) else { break }
    }
    result.status = status
    return result
  }

  private mutating func xfsIO(
    _ command: String, _ path: String, _ state: ShellState
  ) -> CommandResult {
    switch command.split(separator: " ").first {
    case nil: return CommandResult()
    case "fsmap"?: return filesystemMap()
    case "bmap"?, "fiemap"?: return extentList(path)
    case let verb?:
      guard let commands = Self.xfsIOCommand(command, path) else {
        note("xfs_io", "\(verb) has no effect in the model, and prints nothing")
        return CommandResult()
      }
      return fileCommands(
        commands.map { command in
          guard case .clone(let from, let to, let start, let target, let length) = command else {
            return command
          }
          return .clone(
            from: state.resolve(from), to: to, fromOffset: start, toOffset: target, length: length)
        })
    }
  }

  /// nil for a command that is not modelled.
  private static func xfsIOCommand(_ text: String, _ path: String) -> [FileCommand]? {
    var words = text.split(separator: " ").map(String.init)[...]
    guard let verb = words.popFirst() else { return nil }
    var value: UInt8 = 0xcd
    var plain: [String] = []
    while let word = words.popFirst() {
      switch word {
      case "-S":
        value = UInt8(truncatingIfNeeded: words.popFirst().flatMap { Words.number($0) } ?? 0)
      case "-b", "-V", "-i", "-s": _ = words.popFirst()
      default: if !word.hasPrefix("-") { plain.append(word) }
      }
    }
    let numbers = plain.compactMap { size($0) }
    func part() -> Part? {
      numbers.count == 2 && numbers.allSatisfy { $0 >= 0 }
        ? Part(offset: numbers[0], length: numbers[1]) : nil
    }
    switch verb {
    case "falloc": return part().map { [.allocate(path: path, mode: .plain, part: $0)] } ?? []
    case "fpunch": return part().map { [.allocate(path: path, mode: .punch, part: $0)] } ?? []
    case "fzero": return part().map { [.allocate(path: path, mode: .zero, part: $0)] } ?? []
    case "funshare", "unshare":
      return part().map { [.allocate(path: path, mode: .unshare, part: $0)] } ?? []
    case "pwrite": return part().map { [.write(path: path, part: $0, value: value)] } ?? []
    case "pread": return part().map { [.read(path: path, part: $0)] } ?? []
    case "truncate":
      return numbers.first.map { [.truncate(path: path, length: $0)] } ?? []
    case "extsize":
      return numbers.first.map { [.extentSizeHint(path: path, length: $0)] } ?? []
    case "reflink":
      guard let source = plain.first else { return [] }
      let places = plain.dropFirst().compactMap { size($0) }
      guard places.count == 3 else {
        return [.clone(from: source, to: path, fromOffset: 0, toOffset: 0, length: 0)]
      }
      return [
        .clone(
          from: source, to: path, fromOffset: places[0], toOffset: places[1], length: places[2])
      ]
    case "fsync", "fdatasync", "sync": return [.synchronize(path: path)]
    default: return nil
    }
  }

  /// `truncate -s SIZE FILE…`
  static func truncate(_ arguments: [String]) -> [FileCommand] {
    var length: Int64?
    var paths: [String] = []
    var rest = arguments[...]
    while let word = rest.popFirst() {
      if word == "-s" {
        length = rest.popFirst().flatMap { size($0) }
      } else if word.hasPrefix("-s") {
        length = size(word.dropFirst(2))
      } else if word.hasPrefix("--size=") {
        length = size(word.dropFirst("--size=".count))
      } else if !word.hasPrefix("-") {
        paths.append(word)
      }
    }
    guard let length else { return [] }
    return paths.flatMap { [.create(path: $0), .truncate(path: $0, length: length)] }
  }

  /// `fallocate [-p|-z] [-n] -o OFFSET -l LENGTH FILE`
  static func fallocate(_ arguments: [String]) -> [FileCommand] {
    var mode = AllocationMode.plain
    var offset: Int64 = 0
    var length: Int64?
    var path: String?
    var rest = arguments[...]
    while let word = rest.popFirst() {
      switch word {
      case "-p", "--punch-hole": mode = .punch
      case "-z", "--zero-range": mode = .zero
      case "-o", "--offset": offset = rest.popFirst().flatMap { size($0) } ?? 0
      case "-l", "--length": length = rest.popFirst().flatMap { size($0) }
      default: if !word.hasPrefix("-") { path = word }
      }
    }
    guard let path, let length else { return [] }
    return [
      .create(path: path),
      .allocate(path: path, mode: mode, part: Part(offset: offset, length: length)),
    ]
  }

  /// `dd if=… of=… bs=… count=… seek=… skip=… conv=notrunc`
  mutating func dd(_ arguments: [String], _ resolve: (String) -> String) -> CommandResult {
    var values: [Substring: Substring] = [:]
    for word in arguments {
      let pair = word.split(separator: "=", maxSplits: 1)
      if pair.count == 2 { values[pair[0]] = pair[1] }
    }
    let block = max(1, values["bs"].flatMap { Self.size($0) } ?? 512)
    func bytes(_ name: Substring, _ missing: Int64) -> Int64 {
      let count = max(0, values[name].flatMap { Self.size($0) } ?? missing)
      let (product, overflow) = count.multipliedReportingOverflow(by: block)
      return overflow ? 1 << 50 : product
    }
    let source = values["if"].map { resolve(String($0)) } ?? "/dev/null"
    let start = bytes("seek", 0)
    let skipped = bytes("skip", 0)
    var length = values["count"] == nil ? 1 << 50 : bytes("count", 1)
    // What is not a file of the filesystem's is zeroes, or nothing.
    let held = Self.mountedPath(source) == nil ? nil : shellFile(source)?.size
    if let held { length = min(length, max(0, Int64(clamping: held) - skipped)) }
    var result = CommandResult()
    if Self.mountedPath(source) != nil {
      result = fileCommands([
        .read(path: source, part: Part(offset: skipped, length: min(length, 1 << 30)))
      ])
      guard result.status == 0 else { return result }
    }
    guard let target = values["of"].map({ resolve(String($0)) }), Self.mountedPath(target) != nil
    else { return result }
    result = fileCommands([.create(path: target)])
    if values["conv"]?.contains("notrunc") != true, result.status == 0 {
      result = fileCommands([.truncate(path: target, length: start)])
    }
    guard result.status == 0, length > 0, source != "/dev/null" else { return result }
    guard held != nil else {
      return fileCommands([
        .write(path: target, part: Part(offset: start, length: min(length, 1 << 30)), value: 0)
      ])
    }
    return copy(source, at: skipped, to: target, at: start, count: min(length, 1 << 26))
  }
}
