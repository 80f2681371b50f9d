internal import Glibc

/// Waiting for something that comes by itself soon.
public enum Pause {
  /// A fifth of a millisecond.
  public static func short() { usleep(200) }

  public static func milliseconds(_ count: UInt32) { usleep(count * 1000) }
}
