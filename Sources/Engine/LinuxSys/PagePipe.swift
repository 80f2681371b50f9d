internal import CSoftdax
internal import Glibc
public import SystemPackage

/// Takes pages of a shmem file out of every page table, and loses no byte.
///
/// splice(2) puts the page itself into a pipe, FALLOC_FL_PUNCH_HOLE unmaps it everywhere and takes it out of the file, and what
/// the page then holds, the stores until the unmapping included, is written back. One thread at a time.
///
/// Cost: 5 µs for a page, 0.4 µs for each in a run.
@safe public final class PagePipe: @unchecked Sendable {
  // Sendable: descriptors and a buffer that the caller's lock guards.
  private let reader: OwnedDescriptor
  private let writer: OwnedDescriptor
  private let space: UnsafeMutableRawPointer
  private let capacity: Int

  public init() throws(Errno) {
    var ends: (CInt, CInt) = (-1, -1)
    let bytes = try checked(
      unsafe withUnsafeMutablePointer(to: &ends) {
        unsafe $0.withMemoryRebound(to: CInt.self, capacity: 2) { unsafe sd_page_pipe($0) }
      })
    reader = OwnedDescriptor(adopting: ends.0)
    writer = OwnedDescriptor(adopting: ends.1)
    capacity = Int(bytes)
    unsafe space = .allocate(byteCount: capacity, alignment: 4096)
  }

  deinit { unsafe space.deallocate() }

  /// Unmaps the range of `file`, in bytes, whole pages. Nobody may fill the file's holes meanwhile.
  ///
  /// - Throws: `.noSpace`, `.noMemory` when what was taken out could not be put back: then it is lost.
  ///
  /// Source: `shmem_fallocate`, `unmap_mapping_range` (v6.12). A page that is part of a larger folio would be zeroed in place: the file must
  /// have none.
  public func unmap(
    _ file: borrowing OwnedDescriptor, offset: UInt64, length: UInt64
  ) throws(Errno) {
    var ends = (reader.raw, writer.raw)
    let raw = file.raw
    try checked(
      unsafe withUnsafeMutablePointer(to: &ends) {
        unsafe $0.withMemoryRebound(to: CInt.self, capacity: 2) {
          unsafe sd_unmap_pages(raw, offset, length, $0, space, UInt64(capacity))
        }
      })
  }
}

extension OwnedDescriptor {
  /// Zeroes for the range; holes stay holes.
  public borrowing func writeZeroes(offset: UInt64, length: UInt64) throws(Errno) {
    try checked(sd_write_zeroes(raw, offset, length))
  }
}

/// Whether files on shmem may have pages that are part of larger ones.
public enum LargeShmem {
  /// Source: /sys/kernel/mm/transparent_hugepage, Documentation/admin-guide/mm/transhuge.rst.
  public static var isPossible: Bool {
    let base = "/sys/kernel/mm/transparent_hugepage"
    func choice(_ path: String) -> Substring? {
      SmallFile.line(path)?.split(separator: " ").first { $0.hasPrefix("[") }
    }
    // `advise`: only where a program asks for it, with MADV_HUGEPAGE or MADV_COLLAPSE.
    let harmless: Set<Substring> = ["[never]", "[deny]", "[inherit]", "[advise]"]
    let files =
      ["\(base)/shmem_enabled"]
      + Folder.entries(base).filter { $0.hasPrefix("hugepages-") }.map {
        "\(base)/\($0)/shmem_enabled"
      }
    return files.contains { choice($0).map { !harmless.contains($0) } ?? false }
  }
}
