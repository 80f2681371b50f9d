public import SystemPackage

/// Why a real device cannot be used: what is wrong with which device, and what to do.
public enum RealDeviceError: Error, Equatable, Sendable {
  /// This softdax was built with the trait `RealDevices` off.
  case notBuilt
  /// Nothing of this name; `present` are those there are.
  case notFound(String, present: [String])
  /// Its memory is the system's: mode system-ram.
  case isMemory(name: String)
  case disabled(name: String)
  /// The kernel reports no size, or an alignment that is no page size.
  case unusable(name: String, size: UInt64, alignment: UInt64)
  /// There is no such file, though the kernel has the device.
  case noNode(path: String)
  case notPermitted(path: String)
  case system(call: String, Errno)
}

extension RealDeviceError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notBuilt:
      "this softdax was built without real devices; install libndctl-dev and libdaxctl-dev "
        + "and build it with its default traits"
    case .notFound(let name, let present):
      "\(name): no such real device; "
        + (present.isEmpty
          ? "this host has none (`daxctl list` shows them; an emulated one takes --size)"
          : "this host has \(present.joined(separator: ", "))")
    case .isMemory(let name):
      "\(name) is in mode system-ram, its memory is in use by the system; change it with "
        + "`daxctl reconfigure-device --mode=devdax \(name)`"
    case .disabled(let name):
      "\(name) is disabled; enable it with `daxctl enable-device \(name)`"
    case .unusable(let name, let size, let alignment):
      "\(name) reports size \(size) and alignment \(alignment), which no mapping fits; look at "
        + "it with `daxctl list -D -d \(name)`"
    case .noNode(let path):
      "\(path) does not exist though the kernel has the device; let udev create it with "
        + "`udevadm trigger --subsystem-match=dax`"
    case .notPermitted(let path):
      "\(path): not permitted to read and write; run as root, or give yourself access with "
        + "`setfacl -m u:$USER:rw \(path)`"
    case .system(let call, let errno): "\(call): \(errno)"
    }
  }
}
