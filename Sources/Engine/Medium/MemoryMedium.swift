public import LinuxSys
public import PmemBase
public import SystemPackage

/// A memfd, of 4 KiB pages or from the host's hugetlb pool: lives as long as the server.
///
/// Sealed against a change of size, so that no workload that is handed the descriptor can truncate the device under the others.
public final class MemoryMedium: Medium {
  public let kind: MediumKind
  public let path = ""
  public let size: UInt64
  public let pageBytes: UInt64
  public let insertion = Insertion.continued
  private let file: OwnedDescriptor

  /// Ordinary memory, allocated page by page when first inserted.
  public init(name: String, size: UInt64) throws(MediumError) {
    self.size = size
    kind = .memfd
    pageBytes = PageSize.base.bytes
    do throws(Errno) {
      file = try OwnedDescriptor.memfd(name: name, size: size)
    } catch {
      throw .system(call: "memfd_create", path: name, error)
    }
  }

  /// Huge pages, all taken from the pool now, so that no insertion can fail later.
  ///
  /// - Parameter pages: `.huge` or `.giant`.
  public init(name: String, size: UInt64, pages: PageSize) throws(MediumError) {
    self.size = size
    kind = .hugetlb
    pageBytes = pages.bytes
    let needed = size / pages.bytes
    let pool = HugePagePool(pages)
    let (free, total) = (pool.free, pool.total)
    let shortage = MediumError.noHugePages(
      pageBytes: pages.bytes, needs: needed, free: min(free, total), total: total)
    guard free >= needed else { throw shortage }
    do throws(Errno) {
      file = try OwnedDescriptor.memfd(name: name, size: size, hugePageBytes: pages.bytes)
      try file.allocate(offset: 0, length: size)
    } catch {
      throw error == .noMemory || error == .noSpace
        ? shortage : .system(call: "memfd_create", path: "hugetlb", error)
    }
  }

  public func withDescriptor<Result, Failure: Error>(
    _ body: (borrowing OwnedDescriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result { try body(file) }

  public func fill(offset: UInt64, length: UInt64) throws(Errno) {
    try file.allocate(offset: offset, length: length)
  }
}
