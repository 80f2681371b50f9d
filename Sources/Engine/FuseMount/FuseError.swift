public import ExtentFS
public import SystemPackage

/// Why the kernel did not mount.
struct FuseError: Error {
  let errno: Errno
  /// What libfuse said; empty if nothing.
  let message: String
}

/// Why a filesystem is not there: what failed, on what, what to do.
public enum MountError: Error, Sendable {
  case notBuilt
  case notDirectory(String, exists: Bool)
  case isMounted(String, type: String)
  case isDead(String)
  case notPermitted(String, message: String)
  case noFuse
  case foreign(medium: String)
  /// Bytes: what the host has memory for.
  case tooLarge(medium: String, size: UInt64, most: UInt64)
  case image(medium: String, ImageProblem)
  case system(call: String, path: String, Errno, message: String)
}

extension MountError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .notBuilt:
      "this softdax was built without libfuse3: build it with the package trait FuseMount (the default) for --fs"
    case .notDirectory("", _): "no directory to mount on is named; give --fs DIRECTORY"
    case .notDirectory(let path, exists: true):
      "\(path) is a file, and no directory to mount on; name another one"
    case .notDirectory(let path, exists: false):
      "\(path) is no directory to mount on; make it: mkdir \(path)"
    case .isMounted(let path, let type):
      "something of type \(type) is mounted on \(path); unmount it, or name another directory"
    case .isDead(let path):
      "\(path) has the mount of a server that died; detach it: fusermount3 -u -z \(path) (or umount -l as root)"
    case .notPermitted(let path, let message):
      "mounting on \(path) is not permitted" + (message.isEmpty ? "" : " (\(message))")
        + ": run as root, or have read and write access to /dev/fuse and the package fuse3 (fusermount3)"
    case .noFuse: "this kernel has no FUSE, or /dev/fuse is missing: modprobe fuse"
    case .foreign(let medium):
      "\(medium) holds something that is no filesystem of softdax; name a fresh medium, or erase this one with --format "
        + "(softdax fsck looks whether a filesystem can be repaired)"
    case .tooLarge(let medium, let size, let most):
      "\(medium) has \(size) bytes, and page descriptors are 16 bytes for each 4096: more than this host has memory for; give --size \(most >> 30)g or less"
    case .image(let medium, let problem):
      "\(medium) is not mounted: \(problem); softdax fsck says more and repairs what can be"
    case .system(let call, let path, let errno, let message):
      "\(call) \(path): \(errno)" + (message.isEmpty ? "" : " (\(message))")
    }
  }
}
