internal import Glibc

/// The machine that this process runs on.
public enum ThisHost {
  /// Bytes of memory. Source: `sysconf(3)`.
  public static var memory: UInt64 {
    UInt64(max(0, sysconf(CInt(_SC_PHYS_PAGES)))) * UInt64(max(0, sysconf(CInt(_SC_PAGESIZE))))
  }
}
