internal import CSoftdax
internal import Glibc
public import SystemPackage

/// What the kernel says about an open file.
public struct FileFacts: Sendable {
  /// Length, in bytes.
  public let size: UInt64
  /// Bytes that have blocks or pages of their own.
  public let allocated: UInt64
  /// Bytes free on its filesystem for this user.
  public let available: UInt64
  /// `st_mode`.
  public let mode: UInt32
  /// `st_dev` and `st_ino`: the file's identity.
  public let device: UInt64
  public let inode: UInt64
  /// On tmpfs or shmem: its pages can be installed by UFFDIO_CONTINUE.
  public let isOnTmpfs: Bool
  /// On hugetlbfs: likewise, in pages of `pageSize` bytes.
  public let isOnHugetlbfs: Bool
  public let pageSize: UInt64

  public var isRegular: Bool { mode & 0o170000 == 0o100000 }
}

extension OwnedDescriptor {
  /// A memfd whose size nobody can change afterwards.
  ///
  /// - Parameter hugePageBytes: 0 for 4 KiB pages, else 2 MiB or 1 GiB from the host's hugetlb pool.
  /// - Throws: `Errno.noMemory` when the pool has not enough pages reserved for `size`.
  ///
  /// Source: `memfd_create(2)`, F_SEAL_SHRINK and F_SEAL_GROW in `fcntl(2)`.
  public static func memfd(name: String, size: UInt64, hugePageBytes: UInt64 = 0) throws(Errno)
    -> OwnedDescriptor
  {
    let shift = hugePageBytes == 0 ? 0 : CInt(hugePageBytes.trailingZeroBitCount)
    let file = OwnedDescriptor(adopting: try checked(unsafe sd_memfd(name, shift)))
    try checked(sd_truncate(file.raw, size))
    try checked(sd_seal_size(file.raw))
    return file
  }

  public borrowing func truncate(to size: UInt64) throws(Errno) {
    try checked(sd_truncate(raw, size))
  }

  /// Gives the range pages or blocks of its own; what it reads does not change.
  ///
  /// Cost on shmem: about 0.2 µs for each 4 KiB page not there yet. Source: `fallocate(2)`.
  public borrowing func allocate(offset: UInt64, length: UInt64) throws(Errno) {
    try checked(sd_allocate(raw, offset, length))
  }

  /// Locks the file for this open file description, without waiting.
  ///
  /// - Throws: `Errno.wouldBlock` if another one holds the lock. Source: `flock(2)`.
  public borrowing func lockExclusively() throws(Errno) {
    try checked(sd_lock_exclusive(raw))
  }

  /// The same file, opened once more: locks and flags are not shared. Source: /proc/pid/fd in `proc(5)`.
  public borrowing func reopened() throws(Errno) -> OwnedDescriptor {
    try OwnedDescriptor.openExisting("/proc/self/fd/\(raw)")
  }

  /// As ``lockExclusively()``, but waits until nobody else holds it.
  public borrowing func waitForLock() throws(Errno) {
    while flock(raw, LOCK_EX) != 0 {
      guard errno == EINTR else { throw Errno(rawValue: errno) }
    }
  }

  public borrowing func unlock() { _ = flock(raw, LOCK_UN) }

  public borrowing func facts() throws(Errno) -> FileFacts {
    var facts = sd_file_facts()
    try checked(unsafe withUnsafeMutablePointer(to: &facts) { unsafe sd_file_facts(raw, $0) })
    return FileFacts(
      size: facts.size, allocated: facts.allocated, available: facts.available, mode: facts.mode,
      device: facts.device, inode: facts.inode, isOnTmpfs: facts.on_shmem == 1,
      isOnHugetlbfs: facts.on_shmem == 2, pageSize: facts.page_size)
  }
}
