internal import Glibc
internal import SystemPackage

/// A device-dax device of this host, as libdaxctl describes it.
public struct RealDevice: Sendable, Equatable {
  /// What the kernel uses it for.
  public enum Mode: String, Sendable {
    case devdax
    case systemRAM = "system-ram"
  }

  /// "dax0.0".
  public let name: String
  /// "/dev/dax0.0".
  public let path: String
  /// Bytes.
  public let size: UInt64
  /// Bytes; what offsets and lengths of mappings must be multiples of.
  public let alignment: UInt64
  /// First physical address; nil where the kernel hides it.
  public let resource: UInt64?
  /// NUMA node that it would be as memory; -1: none.
  public let targetNode: Int32
  public let major: UInt32
  public let minor: UInt32
  public let mode: Mode
  /// A driver is bound to it.
  public let isEnabled: Bool

  /// Every one of this host, usable or not, in libdaxctl's order.
  ///
  /// - Throws: `.notBuilt` without the trait `RealDevices`.
  public static func all() throws(RealDeviceError) -> [RealDevice] { try discover() }

  /// The device called `name`, or at path `name`, ready to be opened and mapped.
  public static func find(_ name: String) throws(RealDeviceError) -> RealDevice {
    let device = try pick(name, from: try all())
    try checkNode(at: device.path)
    return device
  }

  /// The device of that name or path in `devices`, if it is one that can be mapped.
  static func pick(_ name: String, from devices: [RealDevice]) throws(RealDeviceError)
    -> RealDevice
  {
    guard let device = devices.first(where: { $0.name == name || $0.path == name }) else {
      throw .notFound(name, present: devices.map(\.name))
    }
    guard device.mode == .devdax else { throw .isMemory(name: device.name) }
    guard device.isEnabled else { throw .disabled(name: device.name) }
    guard device.size > 0, [1 << 12, 1 << 21, 1 << 30].contains(device.alignment) else {
      throw .unusable(name: device.name, size: device.size, alignment: device.alignment)
    }
    return device
  }

  /// Whether this process may open `path` for reading and writing.
  static func checkNode(at path: String) throws(RealDeviceError) {
    guard unsafe access(path, R_OK | W_OK) != 0 else { return }
    switch Errno(rawValue: errno) {
    case .noSuchFileOrDirectory, .notDirectory: throw .noNode(path: path)
    case .permissionDenied, .notPermitted, .readOnlyFileSystem: throw .notPermitted(path: path)
    case let other: throw .system(call: "access \(path)", other)
    }
  }
}
