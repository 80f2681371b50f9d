internal import CSoftdax
public import SystemPackage

/// A userfaultfd, this process's or another's: who holds it resolves the faults of the memory it was opened in.
///
/// Owns the descriptor. Every method may be called from any thread; `read` by one at a time.
public struct Userfaultfd: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor

  /// Feature bits of `UFFDIO_API`.
  public struct Features: OptionSet, Sendable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }
    /// A registration travels along with mremap.
    public static let remapEvents = Features(rawValue: UInt64(SD_FEATURE_EVENT_REMAP))
    /// Events name the thread.
    public static let threadIdentifier = Features(rawValue: UInt64(SD_FEATURE_THREAD_ID))
    public static let missingHugetlb = Features(rawValue: UInt64(SD_FEATURE_MISSING_HUGETLBFS))
    public static let missingShmem = Features(rawValue: UInt64(SD_FEATURE_MISSING_SHMEM))
    public static let minorHugetlb = Features(rawValue: UInt64(SD_FEATURE_MINOR_HUGETLBFS))
    public static let minorShmem = Features(rawValue: UInt64(SD_FEATURE_MINOR_SHMEM))
    public static let poison = Features(rawValue: UInt64(SD_FEATURE_POISON))
    /// Events of stores to write-protected pages say so.
    public static let protectionFlag = Features(rawValue: UInt64(SD_FEATURE_PAGEFAULT_FLAG_WP))
    public static let protectShmem = Features(rawValue: UInt64(SD_FEATURE_WP_HUGETLBFS_SHMEM))
    /// Comes with ``Userfaultfd/mapExisting(address:length:isProtected:done:)``.
    public static let protectAbsent = Features(rawValue: UInt64(SD_FEATURE_WP_UNPOPULATED))
  }

  /// One message read from the descriptor.
  public enum Event: Sendable {
    /// `thread` waits for the page of this address, which the medium holds or `isMissing`.
    case fault(address: UInt64, isMissing: Bool, thread: Int32)
    /// mremap and kin: having read it is all the kernel waits for.
    case other
  }

  /// Takes over a descriptor that another process opened and sent.
  public init(adopting descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  /// Opens one for this process.
  ///
  /// - Throws: `Errno.notPermitted` without privilege, unless `userModeOnly`.
  ///
  /// Source: `userfaultfd(2)`.
  public init(userModeOnly: Bool = false) throws(Errno) {
    descriptor = OwnedDescriptor(adopting: try checked(sd_uffd_open(userModeOnly ? 1 : 0)))
  }

  /// Asks for `features`; must come first. Returns all that the kernel offers.
  ///
  /// - Throws: `Errno.invalidArgument` if the kernel lacks one of them.
  @discardableResult
  public borrowing func handshake(_ features: Features) throws(Errno) -> Features {
    var offered = features.rawValue
    try checked(
      unsafe withUnsafeMutablePointer(to: &offered) {
        unsafe sd_uffd_handshake(descriptor.raw, $0)
      })
    return Features(rawValue: offered)
  }

  /// From now on the first touch of each page in the range is an event, whether or not the medium holds the page.
  ///
  /// - Parameters:
  ///   - minor: also for pages that the medium holds; shmem and hugetlb only.
  ///   - protects: pages may be write-protected; anonymous memory and, with ``Features/protectShmem``, shmem.
  public borrowing func register(
    address: UInt64, length: UInt64, minor: Bool, protects: Bool = false
  ) throws(Errno) {
    let modes =
      SD_UFFD_MISSING | (minor ? SD_UFFD_MINOR : 0) | (protects ? SD_UFFD_WRITE_PROTECT : 0)
    try checked(sd_uffd_register(descriptor.raw, address, length, modes))
  }

  public borrowing func unregister(address: UInt64, length: UInt64) throws(Errno) {
    try checked(sd_uffd_unregister(descriptor.raw, address, length))
  }

  /// Waits for events and hands each to `body`. Returns how many there were.
  ///
  /// - Throws: `Errno.interrupted` after ``WorkerThread/interrupt()``.
  @inline(__always)
  public borrowing func read(into batch: inout EventBatch) throws(Errno) -> Int {
    Int(
      try checked(
        unsafe batch.events.withUnsafeMutableBufferPointer {
          unsafe sd_uffd_read(descriptor.raw, $0.baseAddress, CInt($0.count))
        }))
  }

  /// Waits until there is an event to read, or a signal came. For a descriptor that does not block.
  public borrowing func waitForEvent() { sd_uffd_wait(descriptor.raw) }

  /// Events of one read, reused from read to read.
  public struct EventBatch {
    fileprivate var events = [sd_event](repeating: sd_event(), count: 16)
    public init() {}

    @inline(__always)
    public subscript(index: Int) -> Event {
      let event = events[index]
      return event.kind == SD_EVENT_FAULT
        ? .fault(
          address: event.address, isMissing: event.flags & SD_FAULT_MINOR == 0,
          thread: Int32(bitPattern: event.thread)) : .other
    }

    /// Whether the touch was a store.
    @inline(__always)
    public func isWrite(_ index: Int) -> Bool {
      events[index].flags & (SD_FAULT_WRITE | SD_FAULT_PROTECTED) != 0
    }

    /// Whether the page is there, and the touch a store that was to be told.
    @inline(__always)
    public func isProtected(_ index: Int) -> Bool {
      events[index].flags & SD_FAULT_PROTECTED != 0
    }
  }

  /// Maps page-cache pages of the medium at [address, address + length) and wakes who waits there.
  ///
  /// Cost: 0.6 µs for one page, 0.28 µs for each in a batch.
  ///
  /// - Parameters:
  ///   - isProtected: the next store to each page is an event. Source: UFFDIO_CONTINUE_MODE_WP (6.4).
  ///   - done: bytes mapped, also when it throws.
  /// - Throws: `.fileExists` (the next page is mapped already), `.badAddress` (the medium has no page there),
  ///   `.resourceTemporarilyUnavailable` (an mremap is under way), `.noSuchFileOrDirectory`, `.noSuchProcess`.
  ///
  /// Source: `ioctl_userfaultfd(2)`, UFFDIO_CONTINUE (5.13 hugetlb, 5.14 shmem).
  @inline(__always)
  public borrowing func mapExisting(
    address: UInt64, length: UInt64, isProtected: Bool = false, done: inout UInt64
  ) throws(Errno) {
    var mapped: Int64 = 0
    let result = unsafe withUnsafeMutablePointer(to: &mapped) {
      unsafe sd_uffd_continue(descriptor.raw, address, length, isProtected ? 1 : 0, $0)
    }
    done = UInt64(mapped)
    try checked(result)
  }

  /// Puts a page of zeroes into registered anonymous memory, and wakes who waits there. Source: UFFDIO_COPY.
  public borrowing func zero(address: UInt64, isProtected: Bool) throws(Errno) {
    try checked(sd_uffd_zero(descriptor.raw, address, isProtected ? 1 : 0))
  }

  /// Makes the next store to each page that is present an event, or lets stores pass and wakes who waits for that.
  ///
  /// Source: UFFDIO_WRITEPROTECT (anonymous 5.7, shmem 5.19).
  public borrowing func protect(address: UInt64, length: UInt64, _ on: Bool) throws(Errno) {
    try checked(sd_uffd_protect(descriptor.raw, address, length, on ? 1 : 0))
  }

  /// Forgets that pages which are not there any more were protected: a marker of that stands in the way of ``poison(address:length:)``.
  ///
  /// Source: `change_pte_range`, mm/mprotect.c (5.19).
  public borrowing func forgetProtection(address: UInt64, length: UInt64) throws(Errno) {
    try checked(sd_uffd_forget_protection(descriptor.raw, address, length))
  }

  /// Lets the threads that wait in the range try their access again.
  public borrowing func wake(address: UInt64, length: UInt64) throws(Errno) {
    try checked(sd_uffd_wake(descriptor.raw, address, length))
  }

  /// The next touch of the range is SIGBUS. Source: UFFDIO_POISON (6.6).
  public borrowing func poison(address: UInt64, length: UInt64) throws(Errno) {
    try checked(sd_uffd_poison(descriptor.raw, address, length))
  }

  public borrowing func setNonblocking(_ on: Bool) throws(Errno) {
    try checked(sd_set_nonblocking(descriptor.raw, on ? 1 : 0))
  }
}
