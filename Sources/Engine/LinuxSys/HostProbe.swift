internal import CSoftdax
public import SystemPackage

/// What this host can do, found out by doing it; every probe leaves nothing behind.
public enum HostProbe {
  /// How a userfaultfd can be had.
  public enum Way: Sendable {
    /// userfaultfd(2), faults inside system calls included.
    case systemCall
    /// userfaultfd(2) with UFFD_USER_MODE_ONLY (Linux 5.11): faults of programs only, without privilege.
    case userMode
    /// /dev/userfaultfd (Linux 6.1).
    case device
  }

  /// Opens a userfaultfd; returns what this kernel offers.
  public static func userfaultfd(_ way: Way) throws(Errno) -> Userfaultfd.Features {
    let number =
      switch way {
      case .systemCall: SD_PROBE_SYSTEM_CALL
      case .userMode: SD_PROBE_USER_MODE
      case .device: SD_PROBE_DEVICE
      }
    let found = sd_probe_userfaultfd(number)
    try checked(found.error)
    return Userfaultfd.Features(rawValue: found.features)
  }

  /// Creates a memfd of 4 KiB pages.
  public static func memfd() throws(Errno) { try checked(sd_probe_memfd(0)) }

  /// Installs a page of a memfd by UFFDIO_CONTINUE and reads it.
  ///
  /// - Parameter hugePageBytes: 0 for 4 KiB pages, else 2 MiB or 1 GiB.
  /// - Throws: `.noMemory` for huge pages of which none is free.
  public static func insertion(hugePageBytes: UInt64 = 0) throws(Errno) {
    try checked(
      sd_probe_insertion(hugePageBytes == 0 ? 0 : CInt(hugePageBytes.trailingZeroBitCount)))
  }

  /// This kernel has CONFIG_MEMORY_FAILURE. Asks for the poisoning of no bytes at all.
  public static var hasMemoryFailure: Bool { sd_probe_memory_failure() == 1 }

  /// Programs that LD_PRELOAD names `library` to, and programs that they start, have it mapped.
  ///
  /// - Parameter program: A dynamic one that prints its maps when it is called with `check --maps`: this one. The host's own `cat` may be static.
  /// - Throws: when no program could be started, or there is no such file.
  public static func isPreloaded(_ library: String, in program: String) throws(Errno) -> Bool {
    try checked(unsafe sd_probe_preload(library, program)) == 1
  }
}
