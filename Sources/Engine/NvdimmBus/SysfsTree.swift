internal import LinuxSys
internal import SystemPackage

/// The files behind /sys for a bus of emulated devices, as unmodified libraries expect them.
///
/// libdaxctl, libndctl, PMDK, fio and QEMU each walk a different part: the dax bus, the libnvdimm bus and
/// `/sys/dev/char`. Text has the form the kernel gives it (drivers/dax/bus.c, drivers/nvdimm), down to
/// hexadecimal and trailing spaces; links are relative and of the length they have in sysfs, so
/// that resolving them component by component works wherever the tree lies.
public struct SysfsTree: Sendable {
  public enum Node: Sendable, Hashable {
    /// A file with its text, to be read.
    case file(String)
    /// A file that programs may also write, or only write; the mode is the kernel's.
    case attribute(String, mode: UInt32)
    /// A symbolic link with its target.
    case link(String)
  }

  /// By path below the session directory: "sys/bus/dax/devices/dax0.0". Directories are implied.
  public let nodes: [String: Node]

  /// What can be written, by path.
  let attributes: [String: BusAttribute]

  /// All of a bus whose devices are in use.
  public init(devices: [EmulatedDevice], bus: EmulatedBus) {
    let state = BusState(devices: devices.count)
    self.init(bus: bus) { builder in
      builder.addBus(state)
      for (number, device) in devices.enumerated() {
        builder.add(device, number: number, state.devices[number], badSectors: [])
      }
    }
  }

  /// A part of the tree.
  init(bus: EmulatedBus, _ build: (inout SysfsBuilder) -> Void) {
    var builder = SysfsBuilder(bus: bus)
    build(&builder)
    nodes = builder.nodes
    attributes = builder.attributes
  }

  private init() {
    nodes = [:]
    attributes = [:]
  }

  /// Every directory of the tree, parents first; those that readers list also when nothing is in them.
  public var directories: [String] {
    var found: Set<Substring> = []
    for path in Array(nodes.keys) + SysfsBuilder.directoriesOfReaders.map({ $0 + "/" }) {
      var rest = path[...]
      while let slash = rest.lastIndex(of: "/") {
        rest = rest[..<slash]
        guard found.insert(rest).inserted else { break }
      }
    }
    return found.map(String.init).sorted()
  }

  /// Creates the tree as `directory`/sys, which must not have any of its files yet.
  ///
  /// About 90 files for each device, 1 ms on tmpfs.
  public func write(into directory: String) throws(SysfsError) {
    try replace(SysfsTree(), in: directory)
  }

  /// Makes what `old` is under `directory`/sys into this.
  ///
  /// A file whose text changes stays the same file: whoever has it open reads the new text from the start.
  func replace(_ old: SysfsTree, in directory: String) throws(SysfsError) {
    func at(
      _ path: String, _ body: (String) throws(Errno) -> Void
    ) throws(SysfsError) {
      let place = "\(directory)/\(path)"
      do throws(Errno) { try body(place) } catch { throw .create(path: place, error) }
    }
    // Mostly some texts are others, and everything else is where it was.
    let isTextOnly =
      nodes.count == old.nodes.count && nodes.keys.allSatisfy { old.nodes[$0] != nil }
    let now = isTextOnly ? [] : directories
    for path in old.nodes.keys where nodes[path].map({ isLink($0) }) ?? true {
      if nodes[path] != old.nodes[path] { Folder.removeFile("\(directory)/\(path)") }
    }
    for path in Set(isTextOnly ? [] : old.directories).subtracting(now).sorted().reversed() {
      Folder.removeIfEmpty("\(directory)/\(path)")
    }
    for path in now {
      try at(path) { place throws(Errno) in
        do throws(Errno) { try Folder.make(place, mode: 0o755) } catch .fileExists {}
      }
    }
    for (path, node) in nodes where old.nodes[path] != node {
      let isNew = old.nodes[path] == nil
      try at(path) { place throws(Errno) in
        switch node {
        // Modes as in sysfs.
        case .file(let text):
          try Self.put(text, at: place, mode: 0o444, isNew: isNew)
        case .attribute(let text, let mode):
          try Self.put(text, at: place, mode: mode, isNew: isNew)
        case .link(let target): try Folder.link(place, to: target)
        }
      }
    }
  }

  private func isLink(_ node: Node) -> Bool {
    if case .link = node { true } else { false }
  }

  private static func put(
    _ text: String, at path: String, mode: UInt32, isNew: Bool
  ) throws(Errno) {
    if isNew {
      try SmallFile.create(Array(text.utf8), at: path, mode: mode)
    } else {
      try SmallFile.overwrite(path, with: Array(text.utf8), mode: mode)
    }
  }
}
