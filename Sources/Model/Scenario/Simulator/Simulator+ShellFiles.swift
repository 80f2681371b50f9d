internal import ExtentFS
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// What a path is for a shell.
struct ShellFile {
  enum Kind: Equatable { case regular, directory, block, character }

  let kind: Kind
  /// Bytes.
  var size: UInt64 = 0

  /// Nothing in a guest that a scenario makes is a program.
  var isExecutable: Bool { kind == .directory }
}

/// Files as a shell sees them: those of the mounted filesystem, devices, what the kernel tells in /proc and /sys, and the rest,
/// which is text that scenarios keep in /tmp.
extension Simulator {
  private static let directories: Set<String> = [
    "/", "/tmp", "/dev", "/proc", "/proc/sys", "/proc/sys/vm", "/sys", "/sys/block", "/sys/bus",
    "/sys/bus/nd", "/sys/bus/nd/devices", "/sys/bus/dax", "/sys/bus/dax/devices", "/mnt", "/root",
    "/etc", "/run", "/var", "/usr", "/bin", "/sbin",
  ]

  /// What is at an absolute path; nil where nothing is.
  func shellFile(_ path: String) -> ShellFile? {
    if path.hasPrefix("/mnt"), Self.mountedPath(path) != nil, machine.mounted != nil {
      guard case .success(let file) = lookup(path),
        let status = try? filesystem(file.namespace)?.status(of: file.inode)
      else { return nil }
      return ShellFile(
        kind: status.kind == .directory ? .directory : .regular, size: status.size)
    }
    if Self.directories.contains(path) { return ShellFile(kind: .directory) }
    if path.hasPrefix("/dev/") { return device(String(path.dropFirst("/dev/".count))) }
    if let told = told(path) { return ShellFile(kind: .regular, size: UInt64(told.utf8.count)) }
    return machine.temporary[path].map {
      ShellFile(kind: .regular, size: UInt64($0.utf8.count))
    }
  }

  private func device(_ name: String) -> ShellFile? {
    if name == "null" || name == "zero" { return ShellFile(kind: .character) }
    if let region = machine.namespace(ofDevice: name) {
      let last = machine.devices.last { $0.name == name }
      return last?.state == .gone || machine.regions[region].isBlock
        ? nil : ShellFile(kind: .character)
    }
    let whole = name.hasSuffix("p1") ? String(name.dropLast(2)) : name
    guard let region = machine.namespace(ofBlockDevice: whole),
      machine.blocks[region]?.isBound != false,
      whole == name || machine.blocks[region]?.request?.device == "/dev/" + name
    else { return nil }
    return ShellFile(kind: .block)
  }

  /// What a file holds, at most 1 MiB of it; nil where none is.
  func shellText(_ path: String) -> String? {
    if let told = told(path) { return told }
    guard Self.mountedPath(path) != nil, machine.mounted != nil else {
      return path == "/dev/null" ? "" : machine.temporary[path]
    }
    guard case .success(let file) = lookup(path), let filesystem = filesystem(file.namespace)
    else { return nil }
    let bytes = try? filesystem.read(file.inode, at: 0, count: ShellState.valueLimit)
    return bytes.map { String(decoding: $0, as: UTF8.self) }
  }

  /// What the kernel tells in /proc and /sys.
  private func told(_ path: String) -> String? {
    switch path {
    case "/proc/sys/vm/memory_failure_early_kill": return machine.earlyKill ? "1\n" : "0\n"
    case "/proc/sys/vm/memory_failure_recovery": return machine.recovers ? "1\n" : "0\n"
    case "/proc/meminfo":
      let number = String(machine.poisonedPages * 4)
      let padding = String(repeating: " ", count: max(0, 6 - number.count))
      return "HardwareCorrupted: \(padding)\(number) kB\n"
    case "/proc/mounts":
      return mountLine.map { "\($0.device) /mnt \($0.kind) \($0.options) 0 0\n" } ?? ""
    default: break
    }
    let parts = path.split(separator: "/").map(String.init)
    guard parts.first == "sys", parts.count > 3 else { return nil }
    if parts.count == 4, parts[1] == "block",
      let index = machine.namespace(ofBlockDevice: parts[2])
    {
      let region = machine.regions[index]
      if parts[3] == "size" { return "\(region.dataSize / BadBlocks.sectorSize)\n" }
      guard parts[3] == "badblocks" else { return nil }
      let start = region.dataOffset / BadBlocks.sectorSize
      return Self.lines(
        region.media.badBlocks.ranges.filter { $0.lowerBound >= start }.map {
          $0.lowerBound - start..<$0.upperBound - start
        })
    }
    guard parts.count == 6, parts[1] == "bus", parts[3] == "devices" else { return nil }
    if parts[2] == "nd", parts[4].hasPrefix("region"), parts[5] == "badblocks",
      let index = Int(parts[4].dropFirst("region".count)).flatMap(machine.region(numbered:))
    {
      return Self.lines(machine.regions[index].media.badBlocks.ranges)
    }
    guard parts[2] == "dax", let index = machine.namespace(ofDevice: parts[4]) else { return nil }
    switch parts[5] {
    case "size": return "\(machine.regions[index].dataSize)\n"
    case "align": return "\(machine.regions[index].alignment.bytes)\n"
    default: return nil
    }
  }

  private static func lines(_ ranges: [Range<UInt64>]) -> String {
    ranges.map { "\($0.lowerBound) \($0.count)\n" }.joined()
  }

  /// What is mounted, in the words of /proc/mounts.
  var mountLine: (device: String, kind: String, options: String)? {
    guard let namespace = machine.mounted, let block = machine.blocks[namespace],
      let request = block.request
    else { return nil }
    return (
      request.device, request.kind.rawValue,
      (["rw", "relatime"] + block.mountOptions).joined(separator: ",")
    )
  }

  // MARK: Names

  /// The paths that a pattern finds, in order: its last part may be one.
  func shellPaths(
    _ pattern: ShellPattern, _ text: String, _ state: inout ShellState
  ) -> [String] {
    let slash = text.lastIndex(of: "/")
    let folder = slash.map { String(text[..<$0]) }
    let directory = state.resolve(folder.map { $0.isEmpty ? "/" : $0 } ?? ".")
    var found: [String] = []
    for name in names(in: directory) where !name.hasPrefix(".") {
      let path = folder.map { "\($0)/\(name)" } ?? name
      guard state.budget.spend(pattern.cost(path)) else { return [] }
      if pattern.matches(path) { found.append(path) }
    }
    return found
  }

  /// What a directory holds, in order.
  func names(in directory: String) -> [String] {
    if let inner = Self.mountedPath(directory), let (_, filesystem) = mountedFilesystem {
      return (try? filesystem.list(inner)) ?? []
    }
    if directory == "/dev" {
      let names = machine.regions.map(\.device) + machine.regions.map { $0.device + "p1" }
      return Set(names.filter { device($0) != nil }).union(["null", "zero"]).sorted()
    }
    let prefix = directory == "/" ? "/" : directory + "/"
    let paths = Self.directories.union(machine.temporary.keys)
    return Set(
      paths.compactMap { path in
        path.hasPrefix(prefix) && path != prefix
          ? path.dropFirst(prefix.count).split(separator: "/").first.map(String.init) : nil
      }
    ).sorted()
  }

  // MARK: Redirections

  /// Where what is printed goes.
  private enum Sink {
    case output, errors, nowhere
    case file(String)
  }

  /// Runs something with its descriptors led elsewhere, from left to right.
  mutating func redirect(
    _ redirections: [ShellNode.Redirection], input: ShellInput, _ state: inout ShellState,
    _ body: (inout Simulator, ShellInput, inout ShellState) -> CommandResult
  ) -> CommandResult {
    if redirections.isEmpty { return body(&self, input, &state) }
    var input = input
    var sinks: [Int: Sink] = [1: .output, 2: .errors]
    var result = CommandResult()
    for redirection in redirections {
      let target = text(redirection.target, &state, &result)
      guard state.leaving == nil else { return result }
      let path = state.resolve(target)
      switch redirection.kind {
      case .duplicate:
        sinks[redirection.descriptor] = Int(target).flatMap { sinks[$0] } ?? .nowhere
      case .input:
        guard let text = shellText(path), state.budget.spend(text.utf8.count) else {
          return complain("cannot open \(target): No such file", after: result)
        }
        input = ShellInput(text)
      case .output, .append:
        if path == "/dev/null" {
          sinks[redirection.descriptor] = .nowhere
        } else if open(path, empties: redirection.kind == .output) {
          sinks[redirection.descriptor] = .file(path)
        } else {
          return complain("cannot create \(target)", after: result)
        }
      }
    }
    let inner = body(&self, input, &state)
    result.status = inner.status
    for (text, sink) in [(inner.output, sinks[1]), (inner.errors, sinks[2])] where !text.isEmpty {
      switch sink {
      case .output: result.output += text
      case .errors: result.errors += text
      case .file(let path): if !write(text, to: path) { result.status = 1 }
      case .nowhere, nil: break
      }
    }
    return result
  }

  /// Whether the path is a file that does something when it is written, and keeps nothing.
  private func isControl(_ path: String) -> Bool {
    path.hasPrefix("/proc/") || path.hasPrefix("/sys/") || path.hasPrefix("/dev/")
  }

  private mutating func open(_ path: String, empties: Bool) -> Bool {
    if isControl(path) { return true }
    if shellFile(path)?.kind == .directory { return false }
    if Self.mountedPath(path) != nil, machine.mounted != nil {
      return writeShellFile(path, "", append: !empties) == 0
    }
    if machine.temporary.count >= 4096, machine.temporary[path] == nil { return false }
    if empties || machine.temporary[path] == nil { machine.temporary[path] = "" }
    return true
  }

  /// Adds what a command prints to a file.
  private mutating func write(_ text: String, to path: String) -> Bool {
    if isControl(path) { return control(text, path) }
    if Self.mountedPath(path) != nil, machine.mounted != nil {
      return writeShellFile(path, text, append: true) == 0
    }
    let size = (machine.temporary[path]?.utf8.count ?? 0) + text.utf8.count
    guard size <= ShellState.valueLimit else {
      note("shell", "\(path) would be longer than 1 MiB: ENOSPC")
      return false
    }
    machine.temporary[path, default: ""] += text
    return true
  }

  /// A file of /proc or /sys that is written: a setting, or a driver's `bind` and `unbind`.
  private mutating func control(_ text: String, _ path: String) -> Bool {
    let value = text.split(separator: "\n").first.map(String.init) ?? ""
    if path.hasPrefix("/proc/sys/vm/") {
      guard let number = Words.number(value) else { return false }
      _ = perform(.sysctl(name: String(path.dropFirst("/proc/sys/vm/".count)), value: number))
      return true
    }
    guard path.hasSuffix("/unbind") || path.hasSuffix("/bind") else { return true }
    // What is written names the device.
    let digits = value.drop { !$0.isNumber }.prefix { $0.isNumber }
    guard let namespace = Int(digits) else { return false }
    let operation: MachineOperation =
      path.hasSuffix("/unbind") ? .unbind(namespace) : .enableNamespace(namespace)
    return perform(operation).status == 0
  }
}
