public import SystemPackage

/// Why a mounted filesystem does not say who owns a block; the description is one line, ready to show.
public enum HostFilesystemError: Error, Equatable {
  case noSuchPath(String)
  case notOnMount(path: String, mount: String)
  case noFile(String)
  case hole(path: String, offset: UInt64)
  case nowhere(path: String, offset: UInt64)
  /// Bytes.
  case outside(device: String, end: UInt64, size: UInt64)
  case ownMount(String)
  case system(call: String, path: String, Errno)
}

extension HostFilesystemError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noSuchPath(let path): "\(path): no such file or directory"
    case .notOnMount(let path, let mount): "\(path) is not on the filesystem at \(mount)"
    case .noFile(let path): "\(path) is not a regular file: it has no bytes on the device"
    case .hole(let path, let offset):
      "\(path) has no block at byte \(offset): a hole, or past its end"
    case .nowhere(let path, let offset):
      "byte \(offset) of \(path) has no place on the device yet; sync the file, then ask again"
    case .outside(let device, let end, let size):
      "\(device) has \(size) bytes, and what is asked for ends at byte \(end)"
    case .ownMount(let path):
      "\(path) is a mount of softdax, whose pages the host does not know; ask its server: softdax owners \(path) --page|--offset|--file …"
    case .system(let call, let path, .notPermitted):
      "\(call) \(path): not permitted; ask as root"
    case .system(let call, let path, let error): "\(call) \(path): \(error)"
    }
  }
}
