/// What file tools are told, as commands on files.
extension Simulator {
  mutating func fileCommands(_ commands: [FileCommand]) -> CommandResult {
    perform(commands.map(MachineOperation.fileCommand))
  }

  /// `xfs_io [-f] [-c COMMAND]… FILE`; without a command, what is fed in.
  static func xfsIO(_ arguments: [String], input: String) -> [FileCommand] {
    var commands: [String] = []
    var creates = false
    var path: String?
    var rest = arguments[...]
    while let word = rest.popFirst() {
      if word == "-c" {
        if let command = rest.popFirst() { commands.append(command) }
      } else if word.hasPrefix("-") {
        creates = creates || word.contains("f")
      } else {
        path = word
      }
    }
    guard let path else { return [] }
    if commands.isEmpty { commands = input.split(separator: "\n").map(String.init) }
    let first: [FileCommand] = creates ? [.create(path: path)] : []
    return first + commands.flatMap { xfsIOCommand($0, path) }
  }

  private static func xfsIOCommand(_ text: String, _ path: String) -> [FileCommand] {
    var words = text.split(separator: " ").map(String.init)[...]
    guard let verb = words.popFirst() else { return [] }
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
    default: return []
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
  static func dd(_ arguments: [String]) -> [FileCommand] {
    var values: [Substring: Substring] = [:]
    for word in arguments {
      let pair = word.split(separator: "=", maxSplits: 1)
      if pair.count == 2 { values[pair[0]] = pair[1] }
    }
    let block = values["bs"].flatMap { size($0) } ?? 512
    func bytes(_ name: Substring, _ missing: Int64) -> Int64 {
      let count = values[name].flatMap { size($0) } ?? missing
      let (product, overflow) = count.multipliedReportingOverflow(by: block)
      return overflow ? 0 : product
    }
    let length = min(max(0, bytes("count", 1)), 1 << 30)
    var commands: [FileCommand] = []
    if let source = values["if"].map(String.init), source.hasPrefix("/mnt/") {
      commands.append(
        .read(path: source, part: Part(offset: max(0, bytes("skip", 0)), length: length)))
    }
    if let target = values["of"].map(String.init), target.hasPrefix("/mnt/") {
      commands.append(.create(path: target))
      let keeps = values["conv"]?.contains("notrunc") == true
      let start = max(0, bytes("seek", 0))
      if !keeps { commands.append(.truncate(path: target, length: start)) }
      commands.append(.write(path: target, part: Part(offset: start, length: length), value: 0))
    }
    return commands
  }
}
