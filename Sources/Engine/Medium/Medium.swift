public import LinuxSys
public import PmemBase
public import SystemPackage

/// Where a device's bytes live, and how its pages come into a workload.
///
/// A workload maps the medium itself, so an access after insertion costs nothing and a page mapped twice is one page.
/// Immutable after creation; every method may be called from any thread.
public protocol Medium: AnyObject, Sendable {
  var kind: MediumKind { get }
  /// For people; empty for memory without a name.
  var path: String { get }
  /// Bytes.
  var size: UInt64 { get }
  /// Bytes of a page of the medium itself: 4096, or the hugetlb page size.
  var pageBytes: UInt64 { get }
  /// What the window in the workload is made of.
  var insertion: Insertion { get }
  /// Lends the descriptor that workloads map, open for reading and writing.
  func withDescriptor<Result, Failure: Error>(
    _ body: (borrowing OwnedDescriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result
  /// Makes sure that the medium holds a page for every byte of the range: UFFDIO_CONTINUE maps only what is there.
  ///
  /// - Throws: `.noSpace`, `.noMemory` when the host has none left.
  func fill(offset: UInt64, length: UInt64) throws(Errno)
}

/// How a page is made visible.
public enum Insertion: Sendable {
  /// The window maps the medium and is registered with userfaultfd; UFFDIO_CONTINUE installs the page. Shmem and hugetlb only.
  case continued
  /// The window is anonymous memory under userfaultfd; the agent maps the medium's page over it, then the fault is woken. Any file.
  case remapped
}
