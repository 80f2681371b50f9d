/// The files behind /sys for a bus of emulated devices, as unmodified libraries expect them.
///
/// libdaxctl, libndctl, PMDK, fio and QEMU each walk a different part: the dax bus, the libnvdimm bus and
/// `/sys/dev/char`. Text has the form the kernel gives it (drivers/dax/bus.c, drivers/nvdimm), down to
/// hexadecimal and trailing spaces; links are relative and of the length they have in sysfs, so
/// that resolving them component by component works wherever the tree lies.
public struct SysfsTree: Sendable {
  /// A file with its text, or a symbolic link with its target.
  public enum Node: Sendable, Hashable {
    case file(String)
    case link(String)
  }

  /// By path below the session directory: "sys/bus/dax/devices/dax0.0". Directories are implied.
  public let nodes: [String: Node]

  private let emptyDirectories: [String]

  public init(devices: [EmulatedDevice], bus: EmulatedBus) {
    var builder = SysfsBuilder(bus: bus)
    builder.addBus(deviceCount: devices.count)
    for device in devices { builder.add(device) }
    nodes = builder.nodes
    emptyDirectories = SysfsBuilder.directoriesOfReaders
  }

  /// Every directory of the tree, parents first.
  public var directories: [String] {
    var found: Set<Substring> = []
    for path in Array(nodes.keys) + emptyDirectories.map({ $0 + "/" }) {
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
    for path in directories { try Files.makeDirectory("\(directory)/\(path)") }
    for (path, node) in nodes {
      switch node {
      case .file(let text): try Files.makeFile("\(directory)/\(path)", text: text)
      case .link(let target): try Files.makeLink("\(directory)/\(path)", target: target)
      }
    }
  }
}
