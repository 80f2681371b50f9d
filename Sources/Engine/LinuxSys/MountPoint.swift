internal import CSoftdax
internal import Glibc
public import SystemPackage

/// A directory that a filesystem is, or was, mounted on.
public enum MountPoint {
  /// The type of the last filesystem mounted on `path`, as /proc/self/mountinfo has it; nil if none is. Source: `proc(5)`.
  public static func type(of path: String) -> String? {
    Mount.all.last { $0.point == path }?.kind
  }

  /// Detaches a mount of `type` whose server died. One that is served, or is another's, stays.
  ///
  /// - Returns: Whether nothing dead is left there; an ordinary user's own needs `fusermount3 -u -z PATH`.
  @discardableResult
  public static func clear(_ path: String, ifDeadOf type: String) -> Bool {
    while unsafe sd_mount_is_dead(path) == 1 {
      guard self.type(of: path) == type else { return false }
      guard unsafe sd_detach_mount(path) >= 0 else { return false }
    }
    return true
  }

  /// Gives this process, which must have one thread, mounts of its own: what it and its children mount, only they see.
  ///
  /// - Throws: `.notPermitted`, `.noSpace` where user namespaces are not for everybody. Source: `user_namespaces(7)`.
  public static func becomePrivate() throws(Errno) { try checked(sd_enter_private_mounts()) }
}

/// The time of day, as files have it: a few milliseconds coarse, 5 ns to ask.
public enum WallClock {
  public static var now: (seconds: Int64, nanoseconds: UInt32) {
    var seconds: Int64 = 0
    var nanoseconds: UInt32 = 0
    unsafe sd_wall_clock(&seconds, &nanoseconds)
    return (seconds, nanoseconds)
  }
}
