internal import PmemBase

/// Tools that administer the machine.
extension ShellTool {
  static let machine: [String: Run] = [
    "sysctl": { simulator, call, _ in simulator.sysctl(call.plain) },
    "ndctl": { simulator, call, _ in simulator.ndctl(call) },
    "daxctl": { simulator, call, _ in simulator.ndctl(call) },
    "mount": { simulator, call, _ in simulator.mount(call.arguments) },
    "umount": { simulator, call, _ in simulator.perform(.unmount) },
    "mountpoint": { simulator, call, state in
      let path = state.resolve(call.plain.first ?? "")
      let isOne = path == "/" || path == "/mnt" && simulator.machine.mounted != nil
      let word = isOne ? "a" : "not a"
      return .init(
        status: isOne ? 0 : 32, output: call.has("q") ? "" : "\(path) is \(word) mountpoint\n")
    },
    "findmnt": { simulator, call, _ in
      guard let line = simulator.mountLine else { return .init(status: 1) }
      return .init(output: "/mnt \(line.device) \(line.kind) \(line.options)\n")
    },
    "mkfs.xfs": { simulator, call, _ in simulator.makeFilesystem(call.tool, call.arguments) },
    "mkfs.ext4": { simulator, call, _ in simulator.makeFilesystem(call.tool, call.arguments) },
    "mkfs": { simulator, call, _ in
      simulator.makeFilesystem("mkfs.\(call.value(of: "-t") ?? "")", call.arguments)
    },
    "xfs_db": { simulator, call, state in simulator.xfsDebugger(call, &state) },
    "debugfs": { simulator, call, state in simulator.ext4Debugger(call, &state) },
    "dumpe2fs": { simulator, call, state in simulator.ext4Groups(call) },
    "uname": { simulator, call, _ in
      .init(output: call.has("r") ? simulator.kernelName + "\n" : "Linux\n")
    },
    "nproc": { _, _, _ in .init(output: "1\n") },
    "id": { _, call, _ in .init(output: call.has("u") ? "0\n" : "uid=0(root) gid=0(root)\n") },
    "whoami": { _, _, _ in .init(output: "root\n") },
  ]
}

extension Simulator {
  /// `lib.sh`, which comes with the scenarios: a filesystem, new and mounted, or what there is already.
  mutating func setUp(_ words: [String]) -> CommandResult {
    let rest = Array(words.dropFirst())
    switch words.first {
    case "xfs":
      let options = rest.isEmpty ? ["-mreflink=1,rmapbt=1"] : rest
      return setUp("mkfs.xfs", namespace: 2, options)
    case "ext4": return setUp("mkfs.ext4", namespace: 3, rest)
    case "fresh":
      guard let number = rest.first.flatMap({ Int($0) }) else { return CommandResult() }
      _ = perform(.disableNamespace(number))
      _ = perform(.enableNamespace(number))
      return CommandResult()
    case "devdax", "fsdax": return CommandResult()
    default:
      return CommandResult(status: 2, errors: "lib.sh: what is '\(words.first ?? "")'?\n")
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

  /// `sysctl -w vm.NAME=VALUE`, `sysctl [-n] vm.NAME`
  fileprivate mutating func sysctl(_ words: [String]) -> CommandResult {
    var result = CommandResult()
    for word in words {
      let pair = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard let name = pair.first else { continue }
      let path = "/proc/sys/" + name.replacing(".", with: "/")
      if pair.count == 2 {
        guard let value = Words.number(pair[1]) else {
          result.status = 1
          continue
        }
        if name.hasPrefix("vm.") {
          _ = perform(.sysctl(name: String(name.dropFirst(3)), value: value))
        }
        result.output += "\(name) = \(value)\n"
      } else if let text = shellText(path) {
        result.output += "\(name) = \(text)"
      }
    }
    return result
  }

  fileprivate mutating func ndctl(_ call: ShellCall) -> CommandResult {
    let arguments = call.arguments
    let namespace = arguments.firstNonNil { Words.namespace($0) }
    switch (arguments.first, namespace) {
    case ("disable-namespace", let namespace?): return perform(.disableNamespace(namespace))
    case ("enable-namespace", let namespace?): return perform(.enableNamespace(namespace))
    case ("inject-error", let namespace?):
      return Self.errorRequest(call, namespace).map { perform(.injectError($0)) }
        ?? CommandResult()
    case ("create-namespace", _): return createNamespace(call)
    case ("clear-errors", let namespace?): return perform(.clearErrors(namespace: namespace))
    case ("start-scrub", _): return perform(.startScrub)
    default:
      note("shell", "\(call.tool) \(arguments.first ?? "") has no effect in the model")
      return CommandResult()
    }
  }

  /// `inject-error NAMESPACE -B SECTOR -n COUNT [-N] [-d]`; nil where it only asks for the status.
  private static func errorRequest(_ call: ShellCall, _ namespace: Int) -> ErrorRequest? {
    func number(_ text: String?) -> UInt64? {
      text.flatMap { Words.number($0) }.map { UInt64(max(0, $0)) }
    }
    guard let block = number(call.value(of: "-B", "--block")) else { return nil }
    var request = ErrorRequest(
      namespace: namespace, block: block, count: number(call.value(of: "-n", "--count")) ?? 1)
    request.notifies = !call.arguments.contains { $0 == "-N" || $0 == "--no-notify" }
    request.removes = call.arguments.contains { $0 == "-d" || $0 == "--uninject" }
    return request
  }

  /// `create-namespace -b nfit_test.0 -r regionN -m fsdax|devdax`; on the other buses the namespaces are there already.
  private mutating func createNamespace(_ call: ShellCall) -> CommandResult {
    guard call.value(of: "-b", "--bus")?.hasPrefix("nfit_test") == true,
      let region = call.value(of: "-r", "--region"), let number = Int(region.drop { !$0.isNumber }),
      (0...7).contains(number)
    else { return CommandResult() }
    return perform(
      .testNamespace(number, isBlock: call.value(of: "-m", "--mode") != "devdax"))
  }

  fileprivate mutating func mount(_ arguments: [String]) -> CommandResult {
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
    guard let device = words.first else {
      return CommandResult(
        output: mountLine.map { "\($0.device) on /mnt type \($0.kind) (\($0.options))\n" } ?? "")
    }
    if options.contains("remount") {
      options.removeAll { $0 == "remount" }
      note("shell", "mount -o remount changes no option of the model's")
      return CommandResult(status: machine.mounted == nil ? 32 : 0)
    }
    return perform(.mount(device: device, options: options))
  }

  fileprivate mutating func makeFilesystem(
    _ tool: String, _ arguments: [String]
  ) -> CommandResult {
    guard let kind = FilesystemRequest.Kind(rawValue: String(tool.dropFirst("mkfs.".count))),
      let device = arguments.last(where: { $0.hasPrefix("/dev/") })
    else { return CommandResult(status: 1, errors: "\(tool): no device, or no such filesystem\n") }
    var request = FilesystemRequest(kind: kind, device: device)
    for word in arguments.flatMap({ $0.split(separator: ",") }) {
      // -mreflink=1 and -m reflink=1 are the same.
      let option = word.drop { $0 == "-" }
      let pair = (word.hasPrefix("-") && option.count > 1 ? option.dropFirst() : option)
        .split(separator: "=", maxSplits: 1)
      if pair.count == 2, pair[0] == "logdev" { request.logDevice = String(pair[1]) }
      guard pair.count == 2, let value = Self.size(pair[1]), (0..<1 << 40).contains(value)
      else { continue }
      switch pair[0] {
      case "reflink": request.reflink = value != 0
      case "rmapbt": request.reverseMap = value != 0
      case "su" where request.stripeUnit == 0: request.stripeUnit = Int(value)
      case "sunit" where request.stripeUnit == 0: request.stripeUnit = Int(value) * 512
      case "agcount": request.allocationGroups = Int(value)
      case "stride": request.stripeUnit = Int(value) * 4096
      case "size" where value <= 65536: request.blockSize = Int(value)
      case "size": request.logSize = Int(value)
      default: continue
      }
    }
    if let index = arguments.firstIndex(of: "-b"), index + 1 < arguments.count,
      let value = Self.size(arguments[index + 1]), value > 0
    {
      request.blockSize = Int(value)
    }
    return perform(.makeFilesystem(request))
  }

  /// Where a link in sysfs leads: a block device's `device` is the namespace's, whose name has its number.
  func resolved(_ path: String) -> String? {
    let parts = path.split(separator: "/")
    guard parts.count == 4, parts[1] == "block", parts[3] == "device",
      let namespace = machine.namespace(ofBlockDevice: String(parts[2]))
    else { return nil }
    return "/sys/bus/nd/devices/pfn\(machine.regions[namespace].number).0"
  }

  /// A size as these tools read it: 4096, 64k, 2m, 1g.
  static func size(_ text: some StringProtocol) -> Int64? {
    var digits = Substring(text)
    var shift: Int64 = 0
    switch digits.last?.lowercased() {
    case "k": shift = 10
    case "m": shift = 20
    case "g": shift = 30
    case "t" where !digits.hasPrefix("0x"): shift = 40
    case "b" where digits.count > 1 && !digits.hasPrefix("0x"): shift = 9
    default: break
    }
    if shift > 0 { digits = digits.dropLast() }
    guard let value = Words.number(digits), value.magnitude <= UInt64(Int64.max >> shift) else {
      return nil
    }
    return value << shift
  }
}
