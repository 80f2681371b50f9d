internal import Glibc

/// CLOCK_MONOTONIC: the time that other processes of this machine note as well.
public enum MonotonicClock {
  /// ns since some moment before boot's end; about 20 ns to ask.
  public static var now: UInt64 {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
