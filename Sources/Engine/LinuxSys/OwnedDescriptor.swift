internal import CSoftdax
internal import Glibc
public import SystemPackage

/// An open file descriptor and the duty to close it.
///
/// Not copyable, so exactly one owner closes it. `raw` may be handed to another thread only while the owner is known to
/// outlive its use there.
public struct OwnedDescriptor: ~Copyable, Sendable {
  public let raw: CInt

  /// Takes over `raw`: nobody else may close it from here on.
  public init(adopting raw: CInt) { self.raw = raw }

  deinit { _ = close(raw) }

  /// Opens `path` with O_CLOEXEC. Source: `open(2)`.
  public static func open(_ path: String, flags: CInt, mode: UInt32 = 0) throws(Errno)
    -> OwnedDescriptor
  {
    OwnedDescriptor(adopting: try checked(unsafe sd_open(path, flags, mode)))
  }

  /// Opens a file that is there, for reading and writing.
  public static func openExisting(_ path: String) throws(Errno) -> OwnedDescriptor {
    try open(path, flags: O_RDWR)
  }

  /// Creates a file, for reading and writing. - Throws: `.fileExists`.
  public static func create(_ path: String, mode: UInt32) throws(Errno) -> OwnedDescriptor {
    try open(path, flags: O_RDWR | O_CREAT | O_EXCL, mode: mode)
  }
}
