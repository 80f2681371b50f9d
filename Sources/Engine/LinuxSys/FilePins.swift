internal import CSoftdax
internal import Glibc
public import SystemPackage

/// Pins of pages of files on a mount of softdax: its ioctl (softdax_fuse.h).
public enum FilePins {
  /// - Throws: `.notSupported` for a long-term pin; `.badAddress` where nobody maps them; `.inappropriateIOCTLForDevice` elsewhere.
  public static func take(
    _ path: String, offset: UInt64, length: UInt64, longterm: Bool
  ) throws(Errno) {
    let file = try OwnedDescriptor.open(path, flags: O_RDONLY)
    try checked(sd_file_pin(file.raw, offset, length, longterm ? SD_FILE_PIN_LONGTERM : 0))
  }

  /// - Parameter path: A file, or the mount: all pins on it.
  /// - Throws: `.invalidArgument` if nothing is pinned there.
  public static func release(_ path: String, offset: UInt64, length: UInt64) throws(Errno) {
    let file = try OwnedDescriptor.open(path, flags: O_RDONLY)
    try checked(sd_file_pin(file.raw, offset, length, SD_FILE_PIN_RELEASE))
  }
}
