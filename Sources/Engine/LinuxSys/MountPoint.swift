internal import CSoftdax
internal import Glibc
public import SystemPackage

/// A directory that a filesystem is, or was, mounted on.
public enum MountPoint {
  /// The type of the last filesystem mounted on `path`, as /proc/self/mountinfo has it; nil if none is. Source: `proc(5)`.
  public static func type(of path: String) -> String? {
    guard let table = try? SmallFile.read("/proc/self/mountinfo") else { return nil }
    var found: String?
    for line in table.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 6, unescape(words[4]) == path,
        let dash = words.firstIndex(of: "-"), words.count > dash + 1
      else { continue }
      found = String(words[dash + 1])
    }
    return found
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

  /// The octal escapes of mountinfo.
  private static func unescape(_ text: Substring) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.count >= 3,
        let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
      {
        bytes.append(value)
        rest.removeFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
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
