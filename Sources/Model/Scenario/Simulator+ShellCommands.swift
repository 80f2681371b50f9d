/// The commands that shell lines in scenarios use.
extension Simulator {
  mutating func execute(
    _ name: String, _ arguments: [String], input: String, state: ShellState
  ) -> CommandResult {
    let plain = arguments.filter { !$0.hasPrefix("-") }
    switch name.split(separator: "/").last.map(String.init) ?? name {
    case "true", ":", "sync", "sleep", "usleep", "modprobe", "export", "set": return CommandResult()
    case "false": return CommandResult(status: 1)
    case "echo": return CommandResult(output: echo(arguments))
    case "printf": return CommandResult(output: (arguments.first ?? "") + "\n")
    case "seq": return sequence(plain)
    case "cat": return cat(plain, input: input)
    case "basename":
      return CommandResult(
        output: (plain.first?.split(separator: "/").last.map(String.init) ?? "") + "\n")
    case "readlink": return CommandResult(output: resolved(plain.first ?? "") + "\n")
    case "timeout", "nice", "nohup", "time":
      // Options and the duration come before the command.
      let rest = arguments.drop { $0.hasPrefix("-") || $0.first?.isNumber == true }
      return rest.first.map {
        execute($0, Array(rest.dropFirst()), input: input, state: state)
      } ?? CommandResult()
    case "sh", "bash": return nested(arguments)
    case "tr", "head", "tail", "grep", "sed", "awk", "cut", "sort", "wc", "uniq":
      // Filters of output, which is not compared: what comes in goes out.
      return CommandResult(output: input)
    case "sysctl": return sysctl(plain)
    case "ndctl", "daxctl": return ndctl(arguments)
    case "umount": return perform(.unmount)
    case "mount": return mount(arguments)
    case "mkfs.xfs", "mkfs.ext4": return makeFilesystem(name, arguments)
    case "xfs_io": return fileCommands(Self.xfsIO(arguments, input: input))
    case "rm", "unlink": return fileCommands(plain.map { .remove(path: $0) })
    case "touch": return fileCommands(plain.map { .create(path: $0) })
    case "truncate": return fileCommands(Self.truncate(arguments))
    case "fallocate": return fileCommands(Self.fallocate(arguments))
    case "cp":
      guard plain.count == 2 else { return CommandResult(status: 1) }
      return fileCommands(
        arguments.contains { $0.hasPrefix("--reflink") && !$0.hasSuffix("never") }
          ? [
            .create(path: plain[1]),
            .clone(from: plain[0], to: plain[1], fromOffset: 0, toOffset: 0, length: 0),
          ] : [.copy(from: plain[0], to: plain[1])])
    case "dd": return fileCommands(Self.dd(arguments))
    case "ls", "stat": return fileCommands(plain.map { .list(path: $0) })
    default:
      note("shell", "\(name) is not known: no effect, nothing printed")
      return CommandResult()
    }
  }

  // MARK: Text

  private func echo(_ arguments: [String]) -> String {
    var words = arguments[...]
    let newline = words.first != "-n"
    if !newline { words = words.dropFirst() }
    return words.joined(separator: " ") + (newline ? "\n" : "")
  }

  /// Where a link in sysfs leads: a block device's `device` is the namespace's, whose name has its number.
  private func resolved(_ path: String) -> String {
    let parts = path.split(separator: "/")
    guard parts.count == 4, parts[1] == "block", parts[3] == "device",
      let namespace = machine.namespace(ofBlockDevice: String(parts[2]))
    else { return path }
    return "/sys/bus/nd/devices/pfn\(machine.regions[namespace].number).0"
  }

  private func sequence(_ words: [String]) -> CommandResult {
    let numbers = words.compactMap { Words.number($0) }
    guard !numbers.isEmpty, numbers.count == words.count else { return CommandResult(status: 1) }
    let first = numbers.count > 1 ? numbers[0] : 1
    let step = numbers.count > 2 ? numbers[1] : 1
    guard step > 0, let last = numbers.last else { return CommandResult(status: 1) }
    var text = ""
    for value in stride(from: first, through: last, by: Int64.Stride(step)).prefix(4096) {
      text += "\(value)\n"
    }
    return CommandResult(output: text)
  }

  private func cat(_ paths: [String], input: String) -> CommandResult {
    if paths.isEmpty { return CommandResult(output: input) }
    var result = CommandResult()
    for path in paths {
      switch path {
      case "/proc/sys/vm/memory_failure_early_kill":
        result.output += machine.earlyKill ? "1\n" : "0\n"
      case "/proc/sys/vm/memory_failure_recovery": result.output += machine.recovers ? "1\n" : "0\n"
      case "/proc/meminfo": result.output += "HardwareCorrupted: \(machine.poisonedPages * 4) kB\n"
      default: result.output += machine.temporary[path] ?? ""
      }
    }
    return result
  }

  // MARK: The machine

  /// `sh -c LINE`, or the setup script that comes with the scenarios.
  private mutating func nested(_ arguments: [String]) -> CommandResult {
    if let index = arguments.firstIndex(of: "-c"), index + 1 < arguments.count {
      nesting += 1
      defer { nesting -= 1 }
      guard nesting < 16 else { return CommandResult(status: 1) }
      var result = shell(arguments[index + 1])
      if !result.output.isEmpty { result.output += "\n" }
      return result
    }
    guard let script = arguments.first, script.hasSuffix("lib.sh"), arguments.count > 1 else {
      return CommandResult()
    }
    let rest = Array(arguments.dropFirst(2))
    switch arguments[1] {
    case "xfs":
      let options = rest.isEmpty ? ["-mreflink=1,rmapbt=1"] : rest
      return setUp("mkfs.xfs", namespace: 2, options)
    case "ext4": return setUp("mkfs.ext4", namespace: 3, rest)
    default: return CommandResult()
    }
  }

  /// Unmounts, gives the namespace new page descriptors, makes a filesystem and mounts it.
  private mutating func setUp(
    _ tool: String, namespace: Int, _ options: [String]
  ) -> CommandResult {
    _ = perform(.unmount)
    _ = perform(.disableNamespace(namespace))
    _ = perform(.enableNamespace(namespace))
    let device = "/dev/pmem\(namespace)"
    let made = makeFilesystem(tool, options + [device])
    return made.status == 0 ? perform(.mount(device: device, options: ["dax=always"])) : made
  }

  private mutating func sysctl(_ words: [String]) -> CommandResult {
    var words = words.flatMap { $0.split(separator: "=").map(String.init) }
    if words.first?.hasPrefix("vm.") == true { words[0] = String(words[0].dropFirst(3)) }
    guard words.count == 2, let value = Words.number(words[1]) else {
      return CommandResult()
    }
    return perform(.sysctl(name: words[0], value: value))
  }

  private mutating func ndctl(_ arguments: [String]) -> CommandResult {
    let namespace = arguments.lazy.compactMap { Words.namespace($0) }.first
    switch (arguments.first, namespace) {
    case ("disable-namespace", let namespace?): return perform(.disableNamespace(namespace))
    case ("enable-namespace", let namespace?): return perform(.enableNamespace(namespace))
    case ("inject-error", let namespace?):
      return Self.errorRequest(arguments, namespace).map { perform(.injectError($0)) }
        ?? CommandResult()
    case ("create-namespace", _): return createNamespace(arguments)
    case ("clear-errors", let namespace?): return perform(.clearErrors(namespace: namespace))
    case ("start-scrub", _): return perform(.startScrub)
    default: return CommandResult()
    }
  }

  /// `inject-error NAMESPACE -B SECTOR -n COUNT [-N] [-d]`; nil where it only asks for the status.
  private static func errorRequest(_ arguments: [String], _ namespace: Int) -> ErrorRequest? {
    func value(_ names: [String]) -> UInt64? {
      arguments.firstIndex(where: names.contains).flatMap { index in
        index + 1 < arguments.count ? Words.number(arguments[index + 1]) : nil
      }.map { UInt64(max(0, $0)) }
    }
    guard let block = value(["-B", "--block"]) else { return nil }
    var request = ErrorRequest(
      namespace: namespace, block: block, count: value(["-n", "--count"]) ?? 1)
    request.notifies = !arguments.contains { $0 == "-N" || $0 == "--no-notify" }
    request.removes = arguments.contains { $0 == "-d" || $0 == "--uninject" }
    return request
  }

  /// `create-namespace -b nfit_test.0 -r regionN -m fsdax|devdax`; on the other buses the namespaces are there already.
  private mutating func createNamespace(_ arguments: [String]) -> CommandResult {
    func value(_ name: String) -> String? {
      arguments.firstIndex(of: name).flatMap {
        $0 + 1 < arguments.count ? arguments[$0 + 1] : nil
      }
    }
    guard value("-b")?.hasPrefix("nfit_test") == true,
      let number = value("-r").flatMap({ Int($0.drop { !$0.isNumber }) }), (0...7).contains(number)
    else { return CommandResult() }
    return perform(.testNamespace(number, isBlock: value("-m") != "devdax"))
  }

  private mutating func mount(_ arguments: [String]) -> CommandResult {
    var options: [String] = []
    var words: [String] = []
    var rest = arguments[...]
    while let word = rest.popFirst() {
      switch word {
      case "-o": options += rest.popFirst()?.split(separator: ",").map(String.init) ?? []
      case "-t": _ = rest.popFirst()
      default:
        if word.hasPrefix("-o") {
          options += word.dropFirst(2).split(separator: ",").map(String.init)
        } else if !word.hasPrefix("-") {
          words.append(word)
        }
      }
    }
    guard let device = words.first else { return CommandResult() }
    return perform(.mount(device: device, options: options))
  }

  private mutating func makeFilesystem(_ tool: String, _ arguments: [String]) -> CommandResult {
    guard let device = arguments.last(where: { $0.hasPrefix("/dev/") }) else {
      return CommandResult(status: 1)
    }
    let name = tool.split(separator: "/").last ?? ""
    var request = FilesystemRequest(kind: name == "mkfs.xfs" ? .xfs : .ext4, device: device)
    for word in arguments.flatMap({ $0.split(separator: ",") }) {
      // -mreflink=1 and -m reflink=1 are the same.
      let option = word.drop { $0 == "-" }
      let pair = (word.hasPrefix("-") && option.count > 1 ? option.dropFirst() : option)
        .split(separator: "=", maxSplits: 1)
      if pair.count == 2, pair[0] == "logdev" { request.logDevice = String(pair[1]) }
      guard pair.count == 2, let value = Self.size(pair[1]) else { continue }
      switch pair[0] {
      case "reflink": request.reflink = value != 0
      case "rmapbt": request.reverseMap = value != 0
      case "su" where request.stripeUnit == 0: request.stripeUnit = Int(value)
      case "agcount": request.allocationGroups = Int(value)
      case "stride": request.stripeUnit = Int(value) * 4096
      case "size" where value <= 65536: request.blockSize = Int(value)
      case "size": request.logSize = Int(value)
      default: continue
      }
    }
    if let index = arguments.firstIndex(of: "-b"), index + 1 < arguments.count,
      let value = Self.size(arguments[index + 1])
    {
      request.blockSize = Int(value)
    }
    return perform(.makeFilesystem(request))
  }

  /// A size as these tools read it: 4096, 64k, 2m, 1g.
  static func size(_ text: some StringProtocol) -> Int64? {
    var digits = Substring(text)
    var shift: Int64 = 0
    switch digits.last?.lowercased() {
    case "k": shift = 10
    case "m": shift = 20
    case "g": shift = 30
    case "b" where digits.count > 1 && !digits.hasPrefix("0x"): shift = 9
    default: break
    }
    if shift > 0 { digits = digits.dropLast() }
    guard let value = Words.number(digits), value.magnitude < 1 << 33 else { return nil }
    return value << shift
  }
}
