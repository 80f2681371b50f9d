public import SystemPackage

/// Why the files of emulated devices could not be made.
public enum SysfsError: Error, Hashable {
  /// `path` could not be created.
  case create(path: String, Errno)
  /// Every dynamic character major is taken.
  case noMajorLeft
  /// A device of `size` bytes, when only `available` bytes of physical addresses are left.
  case tooLarge(size: UInt64, available: UInt64)
}

extension SysfsError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .create(let path, .fileExists):
      "\(path) exists already; the session directory must be empty"
    case .create(let path, .noSpace):
      "cannot create \(path): no space left; free some or choose another session directory"
    case .create(let path, let errno): "cannot create \(path): \(errno)"
    case .noMajorLeft:
      "no character device number is free: /proc/devices lists all of 234-254 and 384-511"
    case .tooLarge(let size, let available):
      "a device of \(size) bytes does not fit: \(available) bytes of physical addresses are left"
    }
  }
}
