internal import DaxModel
public import ExtentFS
public import PmemBase

/// Why a scenario cannot be carried out by real processes on a host without persistent memory.
public struct LiveObstacle: Error, Equatable, Sendable, CustomStringConvertible {
  /// The step.
  public let text: String
  /// What the host lacks.
  public let lack: String

  public var description: String { "\(text): \(lack)" }

  enum Lack {
    static let files = "a file, and the scenario's setup has mounted no filesystem with dax=always"
    static let mounting =
      "another filesystem than that of the setup; a live machine's stays as it is"
    static let inherited =
      "page-table entries that a forked child has of a private mapping; the host's has the copies only"
    static let place = "a place in the filesystem that only its own tools can tell"
    static let memory = "a page of no device, which is the host's own memory"
    static let consumed =
      "a machine check in the middle of a thread's load, which no host makes without a bad medium"
    static let latent =
      "an error that becomes known by whole pages; the host's becomes known by sectors"
    static let bus = "a bus without commands for errors, or the kernel's own test bus"
    static let kernel = "a driver that goes while its device stays, which ends in an oops"
    static func command(_ name: String) -> String {
      "\(name) is not run on this host"
    }
    static func setting(_ name: String) -> String { "vm.\(name) is not a setting of the machine" }
    static func device(_ path: String) -> String { "\(path) is no device of the machine" }
  }
}

/// A scenario for real processes.
public struct LiveScenario: Sendable {
  /// For the worker, with every shell line that changes the machine told in the language's own words.
  public let text: String
  /// What the setup mounts on /mnt, which is there from the beginning; nil: nothing.
  public let filesystem: Format?
}

extension Scenario {
  /// The scenario as a host can carry it out. What the setup makes, and where private copies fail, is found by simulating it.
  ///
  /// - Throws: At the first step that a host cannot carry out.
  public func live(on kernel: KernelBehavior) throws(LiveObstacle) -> LiveScenario {
    var simulator = Simulator(self, kernel: kernel, named: "", explained: false)
    var stage: LiveStage?
    var isUnmounted = false
    var text = "# \(name) \(group)\n"
    for line in lines {
      do throws(Lack) {
        if simulator.stopped == nil { _ = simulator.perform(line) }
        guard !simulator.hostMemoryFailed else { throw Lack(LiveObstacle.Lack.memory) }
        guard !simulator.hasInheritedEntries(after: line.step) else {
          throw Lack(LiveObstacle.Lack.inherited)
        }
        let now = LiveStage(simulator)
        if simulator.stopped != nil || now == stage || isUnmounted && now == nil {
          for operation in try line.administration(stage, simulator) {
            text += "#= \(operation)\n"
          }
        } else if now == nil, let stage, !stage.isBound(simulator) {
          // Nothing can be mounted in its place.
          isUnmounted = true
          text += "#= umount\n"
        } else {
          // What the setup does is done.
          guard stage == nil, simulator.processes.isEmpty, now?.isDax == true else {
            throw Lack(LiveObstacle.Lack.mounting)
          }
          stage = now
          text += "#= nothing\n"
        }
      } catch {
        throw LiveObstacle(text: line.text, lack: error.text)
      }
      text += line.text + "\n"
    }
    return LiveScenario(text: text, filesystem: stage?.filesystem.format)
  }
}

extension Simulator {
  /// Whether the step was a fork that gave the child page-table entries of the medium.
  fileprivate func hasInheritedEntries(after step: Step?) -> Bool {
    guard case .actor(_, .fork)? = step, let child = processes.last else { return false }
    return child.files.contains { region in
      guard
        let window = mapping(region)?.window(of: processes.count - 1, at: region.range.lowerBound)
      else { return false }
      return window.pages.contains { window.entry(for: $0)?.block != nil }
    }
  }
}

/// What is mounted on /mnt.
private struct LiveStage: Equatable {
  let device: String
  let filesystem: ExtentFS
  let isDax: Bool

  init?(_ simulator: Simulator) {
    guard let (namespace, mounted) = simulator.mountedFilesystem else { return nil }
    device = "pmem\(namespace)"
    filesystem = mounted
    isDax = simulator.machine.blocks[namespace]?.mountOptions.contains("dax=always") ?? false
  }

  /// Whether the device has its driver still.
  func isBound(_ simulator: Simulator) -> Bool {
    simulator.machine.blocks.values.contains { $0.filesystem === filesystem && $0.isBound }
  }

  static func == (left: Self, right: Self) -> Bool { left.filesystem === right.filesystem }
}

extension Scenario.Line {
  /// What stands for the line's shell command, if it is one that changes the machine.
  fileprivate func administration(
    _ stage: LiveStage?, _ simulator: Simulator
  ) throws(Lack) -> [String] {
    // What a variable holds does not make a step another one.
    let known = step ?? (Variables.expand(text) { _ in "0" }).flatMap { try? Step(parsing: $0) }
    switch known {
    case .actor(_, let operation)?: try operation.checkLive(stage)
    case .coordinator(.setVariable(let name, _))? where own.first?.isFixedPlace == true:
      return ["value \(simulator.machine.variables[name] ?? "")"]
    case .coordinator(let operation)?: return try operation.administration(own, stage)
    case nil: break
    }
    return []
  }
}

private struct Lack: Error {
  let text: String
  init(_ text: String) { self.text = text }
}

extension ActorOperation {
  fileprivate func checkLive(_ stage: LiveStage?) throws(Lack) {
    switch self {
    case .map(let arguments): try Self.check(arguments.path, stage)
    case .readFile(let path, _, _), .writeFile(let path, _, _), .truncate(let path, _),
      .allocate(let path, _, _):
      try Self.check(path, stage)
    default: break
    }
  }

  private static func check(_ path: String, _ stage: LiveStage?) throws(Lack) {
    if ["/dev/dax0.0", "/dev/dax1.0"].contains(path) { return }
    if stage != nil, path.hasPrefix("/mnt/") { return }
    throw Lack(
      path.hasPrefix("/dev/") ? LiveObstacle.Lack.device(path) : LiveObstacle.Lack.files)
  }
}

extension CoordinatorOperation {
  fileprivate func administration(
    _ own: [MachineOperation], _ stage: LiveStage?
  ) throws(Lack) -> [String] {
    switch self {
    case .extents, .daxState, .clone, .makeFile, .probe:
      guard stage != nil else { throw Lack(LiveObstacle.Lack.files) }
    case .machineCheckConsumed: throw Lack(LiveObstacle.Lack.consumed)
    case .makeLatent: throw Lack(LiveObstacle.Lack.latent)
    case .save(_, let target), .inject(let target), .unpoison(let target), .page(let target),
      .machineCheck(let target), .softOffline(let target):
      try target.checkLive(stage)
    case .shell(let command), .setup(let command), .setVariable(_, let command):
      guard own.isEmpty else {
        return try own.map { operation throws(Lack) in try operation.live(stage) }
      }
      guard let program = try? ShellParser.parse(command) else {
        throw Lack(LiveObstacle.Lack.command("what is no shell program"))
      }
      return try program.administration()
    case .machine(let operation): _ = try operation.live(stage)
    case .processes, .sleep, .note, .badBlocks, .synchronize: break
    }
    return []
  }
}

extension Target {
  fileprivate func checkLive(_ stage: LiveStage?) throws(Lack) {
    switch self {
    case .file:
      guard stage != nil else { throw Lack(LiveObstacle.Lack.files) }
    case .block(let name, _):
      guard stage?.device == name else { throw Lack(LiveObstacle.Lack.device(name)) }
    case .physical: throw Lack(LiveObstacle.Lack.memory)
    case .device(let name, _) where name != "dax0.0" && name != "dax1.0":
      throw Lack(LiveObstacle.Lack.device(name))
    case .mapping, .device, .variable, .unknown: break
    }
  }
}

extension MachineOperation {
  /// Where mkfs puts it, which nothing changes.
  fileprivate var isFixedPlace: Bool {
    switch self {
    case .place(.log), .place(.journal), .place(.inodeTable): true
    default: false
    }
  }

  /// In the words of the language.
  fileprivate func live(_ stage: LiveStage?) throws(Lack) -> String {
    switch self {
    case .fileCommand(let command):
      guard stage != nil else { throw Lack(LiveObstacle.Lack.files) }
      return try command.live()
    case .place, .sector: throw Lack(LiveObstacle.Lack.place)
    case .makeFilesystem, .mount, .unmount, .remount: throw Lack(LiveObstacle.Lack.mounting)
    case .sysctl(let name, let value):
      guard name == "memory_failure_early_kill" || name == "memory_failure_recovery" else {
        throw Lack(LiveObstacle.Lack.setting(name))
      }
      return "sysctl \(name) \(value)"
    case .disableNamespace(let number) where number < 2: return "disable-namespace \(number).0"
    case .enableNamespace(let number) where number < 2: return "enable-namespace \(number).0"
    case .nothing: return "nothing"
    case .unbind(let number) where stage?.device == "pmem\(number)": return "unbind \(number).0"
    case .unbind: throw Lack(LiveObstacle.Lack.kernel)
    case .testNamespace, .injectError, .clearErrors, .startScrub:
      throw Lack(LiveObstacle.Lack.bus)
    case .disableNamespace, .enableNamespace: throw Lack(LiveObstacle.Lack.kernel)
    }
  }
}

extension FileCommand {
  fileprivate func live() throws(Lack) -> String {
    switch self {
    case .create(let path): return "create \(path)"
    case .write(let path, let part, let value):
      return "write \(path) \(part.offset) \(part.length) \(value)"
    case .truncate(let path, let length): return "ftruncate \(path) \(length)"
    case .allocate(let path, let mode, let part):
      return "fallocate \(path) \(mode.rawValue) \(part.offset) \(part.length)"
    case .clone(let from, let to, let fromOffset, let toOffset, let length):
      return "clone-range \(from) \(to) \(fromOffset) \(toOffset) \(length)"
    case .synchronize(let path): return "fsync \(path)"
    case .remove(let path): return "rm \(path)"
    case .read, .extentSizeHint, .copy, .list:
      throw Lack(LiveObstacle.Lack.command("a file's tool"))
    }
  }
}

extension ShellNode {
  /// Commands that look and change nothing, whatever their arguments are here: they run on the host, and see the machine.
  private static let harmless: Set<String> = [
    "true", ":", "false", "echo", "printf", "seq", "cat", "basename", "readlink", "ls", "stat",
    "sleep", "tr", "head", "tail", "grep", "cut", "sort", "wc", "uniq", "test", "[",
  ]

  /// What the shell line stands for if it changes the machine; nothing if it only looks.
  fileprivate func administration() throws(Lack) -> [String] {
    var found: [String] = []
    switch self {
    case .list(let items): for item in items { found += try item.node.administration() }
    case .pipeline(let stages): for stage in stages { found += try stage.administration() }
    case .negated(let node), .subshell(let node): found = try node.administration()
    case .loop(_, let words, let body):
      try Self.check(words ?? [])
      found = try body.administration()
    case .branch(let branches, let otherwise):
      for branch in branches {
        found += try branch.condition.administration() + branch.body.administration()
      }
      if let otherwise { found += try otherwise.administration() }
    case .select(let subject, let choices):
      try Self.check([subject])
      for choice in choices {
        try Self.check(choice.patterns)
        found += try choice.body.administration()
      }
    case .repeated: throw Lack(LiveObstacle.Lack.command("a shell's while or until"))
    case .function: throw Lack(LiveObstacle.Lack.command("a shell's function"))
    case .redirected(let node, let redirections):
      try Self.check(redirections)
      found = try node.administration()
    case .command(let command):
      if let setting = command.setting { return [try setting.live(nil)] }
      try Self.check(command.redirections)
      try Self.check(command.words + command.assignments.map(\.value))
      guard let first = command.words.first else { return [] }
      let name = first.plain ?? "a command with a variable name"
      guard Self.harmless.contains(name) else { throw Lack(LiveObstacle.Lack.command(name)) }
    }
    return found
  }

  /// What is put into words is looked at as well; what the parser does not know is not run.
  private static func check(_ words: [ShellWord]) throws(Lack) {
    for word in words {
      for segment in word.segments {
        switch segment {
        case .text: break
        case .parameter(_, .whenUnset(_, _, let word), _), .parameter(_, .trim(_, _, let word), _),
          .arithmetic(let word):
          try check([word])
        case .parameter: break
        case .substitution(let node, _):
          guard try node.administration().isEmpty else {
            throw Lack(LiveObstacle.Lack.command("a substitution that changes the machine"))
          }
        }
      }
    }
  }

  /// Nothing is written but into nothing.
  private static func check(_ redirections: [Redirection]) throws(Lack) {
    for redirection in redirections where redirection.kind != .duplicate {
      if redirection.kind == .input, redirection.target.plain != nil { continue }
      if redirection.target.plain == "/dev/null" { continue }
      throw Lack(LiveObstacle.Lack.command("a redirection into a file"))
    }
  }
}

extension ShellNode.Command {
  /// `sysctl -w vm.NAME=VALUE`, or `echo VALUE > /proc/sys/vm/NAME`.
  fileprivate var setting: MachineOperation? {
    let plain = words.compactMap(\.plain)
    guard plain.count == words.count, let name = plain.first else { return nil }
    if name == "sysctl" {
      let parts = plain.dropFirst().filter { !$0.hasPrefix("-") }.flatMap {
        $0.split(separator: "=")
      }
      guard parts.count == 2, parts[0].hasPrefix("vm."), let value = Words.number(parts[1])
      else { return nil }
      return .sysctl(name: String(parts[0].dropFirst(3)), value: value)
    }
    let folder = "/proc/sys/vm/"
    guard name == "echo", plain.count == 2, let value = Words.number(plain[1]),
      redirections.count == 1, redirections[0].descriptor == 1, redirections[0].kind == .output,
      let file = redirections[0].target.plain, file.hasPrefix(folder)
    else { return nil }
    return .sysctl(name: String(file.dropFirst(folder.count)), value: value)
  }
}
