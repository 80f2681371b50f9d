internal import SystemPackage

extension Errno {
  /// `EINVAL`, as strerrorname_np() says it.
  var name: String {
    Self.names[rawValue] ?? "errno \(rawValue)"
  }

  private static let names: [CInt: String] = [
    1: "EPERM", 2: "ENOENT", 3: "ESRCH", 4: "EINTR", 5: "EIO", 6: "ENXIO", 9: "EBADF",
    11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 14: "EFAULT", 16: "EBUSY", 17: "EEXIST",
    18: "EXDEV", 19: "ENODEV", 20: "ENOTDIR", 21: "EISDIR", 22: "EINVAL", 25: "ENOTTY",
    26: "ETXTBSY", 27: "EFBIG", 28: "ENOSPC", 30: "EROFS", 75: "EOVERFLOW", 95: "EOPNOTSUPP",
    117: "EUCLEAN", 133: "EHWPOISON",
  ]

  /// 117, what the filesystems call EFSCORRUPTED.
  static var structureNeedsCleaning: Errno { Errno(rawValue: 117) }
  /// 133
  static var hardwarePoison: Errno { Errno(rawValue: 133) }
}
