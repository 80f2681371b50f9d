public import DaxModel
public import MemoryFailure
public import SystemPackage

/// The real page tables of one address space: what a mount has done there when files are touched, or lose blocks.
///
/// Called with the mount's lock held. Addresses are whole pages.
public protocol WindowHost: AnyObject, Sendable {
  /// Puts memory that is watched in place of what is there, in one step. By the workload's agent, which may have to wait until an event of the
  /// userfaultfd is read: never by the thread that reads them.
  ///
  /// - Throws: `.noSuchFileOrDirectory` if that is no window any more; what mmap(2) and mremap(2) throw; `.brokenPipe`.
  func place(
    _ piece: WindowPiece, at addresses: Range<UInt64>, protection: Protection) throws(Errno)
  /// Takes the pages away; the next touch of each is told. By the agent. A workload that is gone has none.
  func zap(_ addresses: Range<UInt64>)
  /// The same soon, by another thread: the caller waits for nobody.
  func zapLater(_ addresses: Range<UInt64>)
  /// Makes pages of the medium visible that are placed there, and wakes who waits for them.
  ///
  /// - Throws: `.fileExists` if one of several pages is there (of one only what it allows is changed), `.badAddress` where the medium has no page, `.resourceTemporarilyUnavailable` while an mremap is under way.
  func insert(_ addresses: Range<UInt64>, isWritable: Bool) throws(Errno)
  /// The same with a page of zeroes of its own, where nothing is placed.
  func insertZeroes(at address: UInt64, isWritable: Bool) throws(Errno)
  /// Has the next store to each page told, or lets stores pass and wakes who waits for that.
  ///
  /// - Throws: `.resourceTemporarilyUnavailable` while an mremap is under way: nothing has changed then.
  func protect(_ addresses: Range<UInt64>, _ on: Bool) throws(Errno)
  /// Lets whoever waits in the range try again.
  func wake(_ addresses: Range<UInt64>)
  /// The next touch of the page is SIGBUS; who waits goes on.
  ///
  /// - Returns: `false` if this kernel has no markers (before 6.6).
  @discardableResult
  func fail(_ address: UInt64) -> Bool
  /// Ends the process: its page tables cannot be what they must.
  func kill()
  /// Watches memory that is there.
  func register(_ addresses: Range<UInt64>, ofMedium: Bool) throws(Errno)

  // MARK: Failures

  var process: Int32 { get }
  var command: String { get }
  /// Processes are gone through in the order of this, then of their numbers.
  var startTime: UInt64 { get }
  /// The process's threads, leader first, and what each has asked for. Cost: 10 µs each.
  func threads() -> [Candidate.Thread]
  /// Sends the signal; with `forces` it kills who blocks or ignores it.
  func send(_ order: SignalOrder, forces: Bool) throws(Errno)
  /// The next SIGBUS of a touch of the page says BUS_MCEERR_AR, this address (0: where it was touched), and this shift.
  func note(page: UInt64, address: UInt64, shift: UInt64)
}

/// Who keeps the settings of the machine's memory failures, and tells of them.
public protocol FailureWitness: AnyObject, Sendable {
  var options: FailureOptions { get }
  func note(_ event: FailureEvent)
  /// Somebody wants to be told of page-table entries: one load.
  var watchesPages: Bool { get }
  /// Takes no lock under which anything else is locked.
  func saw(_ event: PageEvent)
  /// A page failed and the kernel gives up: every workload is killed.
  func panic(device: Int, folio: Int)
}

public enum WindowPiece: Equatable, Sendable {
  /// Nothing: anonymous memory without pages.
  case nothing
  /// The medium, from a byte on.
  case medium(offset: UInt64, isShared: Bool)
  /// Memory whose touch is SIGBUS with BUS_ADRERR.
  case beyond
}
