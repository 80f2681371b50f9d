#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Descriptors in `calloc` memory: for tests, and for devices of a few GiB.
///
/// glibc takes large blocks straight from mmap, so that these too are committed page by page.
///
/// `@unchecked Sendable`: the buffer's place and size never change; what is in it is the pagemap's.
@safe public final class HeapDescriptorStorage: DescriptorStorage, @unchecked Sendable {
  public let memory: UnsafeMutableRawBufferPointer

  /// - Parameter byteCount: A multiple of 16; see `Pagemap.bytes(forFolios:)`.
  public init(byteCount: Int) {
    guard let base = unsafe calloc(max(byteCount, 1), 1) else {
      preconditionFailure("no memory for \(byteCount) bytes of page descriptors")
    }
    unsafe memory = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
  }

  deinit { unsafe free(memory.baseAddress) }
}
