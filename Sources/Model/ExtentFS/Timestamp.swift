/// A point in time: since 1970, UTC. The model has no clock; whoever calls it sets one.
public struct Timestamp: Hashable, Comparable, Sendable {
  public var seconds: Int64
  /// Below a milliard.
  public var nanoseconds: UInt32

  public init(seconds: Int64 = 0, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  public static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
  }
}

/// What stat(2) says of an inode and chmod(2), chown(2), utimensat(2) change.
public struct Attributes: Hashable, Sendable {
  /// Permissions, with S_ISUID, S_ISGID and S_ISVTX: 0o7777.
  public var mode: UInt16
  public var user: UInt32
  public var group: UInt32
  /// A device node's number, as `dev_t` of the kernel's.
  public var device: UInt32
  public var accessed = Timestamp()
  public var modified = Timestamp()
  public var changed = Timestamp()
  public var created = Timestamp()

  public init(mode: UInt16 = 0o644, user: UInt32 = 0, group: UInt32 = 0, device: UInt32 = 0) {
    self.mode = mode
    self.user = user
    self.group = group
    self.device = device
  }
}
