import PageModel
import PmemBase
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

@Suite struct `page descriptors` {
  /// Catches a field that makes a terabyte's descriptors cost more than 4 GiB of address space.
  @Test func `are 16 bytes or less`() {
    #expect(MemoryLayout<PageDescriptor>.stride <= 16)
    #expect(Pagemap.bytes(forFolios: 1000) <= 16_000)
    // There is always something to lay them over.
    #expect(Pagemap.bytes(forFolios: 0) > 0)
  }

  /// Catches a descriptor for each 4 KiB of a huge page: 512 times the memory, and heads and tails
  /// to keep in step.
  @Test(arguments: [(PageSize.base, 1 << 18), (.huge, 512), (.giant, 1)])
  func `are one for each folio`(size: PageSize, count: Int) {
    let pagemap = Pagemap(type: .generic, pageCount: 1 << 18, folioSize: size)
    #expect(pagemap.folioCount == count)
    pagemap.map(folio: count - 1)
    #expect(pagemap.mappedFolios() == 1)
    #expect(pagemap.counts(folio: count - 1).mapcount == 1)
  }

  /// Catches a rest of a huge page that counts as a folio.
  @Test func `leave out what is no whole folio`() {
    #expect(Pagemap(type: .generic, pageCount: 1535, folioSize: .huge).folioCount == 2)
    #expect(Pagemap(type: .generic, pageCount: 0, folioSize: .base).folioCount == 0)
  }

  /// Catches an initialisation that writes every descriptor: a device of a terabyte would cost 4
  /// GiB at once.
  @Test func `of a terabyte cost what was touched of it`() throws {
    let folios = 1 << 28
    let storage = try ReservedDescriptors(bytes: Pagemap.bytes(forFolios: folios))
    let pagemap = Pagemap(
      type: .generic, pageCount: UInt64(folios), folioSize: .base, storage: storage)
    #expect(storage.residentPages == 0)
    // 256 descriptors are one page of memory.
    for folio in 0..<512 { pagemap.map(folio: folio) }
    pagemap.map(folio: folios - 1)
    #expect(storage.residentPages <= 3)
    #expect(pagemap.counts(folio: folios - 1).refcount == 2)
  }

  /// Catches heap storage that is not zero: a descriptor of zeroes is an idle one.
  @Test func `are idle where nobody wrote`() {
    let storage = HeapDescriptorStorage(byteCount: Pagemap.bytes(forFolios: 4096))
    let pagemap = Pagemap(
      type: .generic, pageCount: 4096, folioSize: .base, storage: storage)
    #expect(pagemap.isIdle() && pagemap.mappedFolios() == 0 && pagemap.violation() == nil)
    let idle = PageCounts(refcount: 1, mapcount: 0, pincount: 0, share: 0)
    #expect((0..<4096).allSatisfy { pagemap.counts(folio: $0) == idle })
  }

  /// Catches a storage that is too small, and an index that reaches another pagemap's memory.
  @Test func `are never reached out of bounds`() {
    #expect(
      endsInTrap {
        _ = Pagemap(
          type: .generic, pageCount: 100, folioSize: .base,
          storage: HeapDescriptorStorage(byteCount: 16 * 99))
      })
    #expect(
      endsInTrap {
        Pagemap(type: .generic, pageCount: 8, folioSize: .base).map(folio: 8)
      })
    #expect(
      endsInTrap {
        Pagemap(type: .generic, pageCount: 8, folioSize: .base).map(folio: -1)
      })
  }
}

/// MAP_NORESERVE memory, as the engine gives it.
@safe private final class ReservedDescriptors: DescriptorStorage, @unchecked Sendable {
  let memory: UnsafeMutableRawBufferPointer

  init(bytes: Int) throws {
    let start = unsafe mmap(
      nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
    guard let start = unsafe start, unsafe start != MAP_FAILED else {
      throw NoMemory()
    }
    // A transparent huge page would make one touch look like 512.
    _ = unsafe madvise(start, bytes, MADV_NOHUGEPAGE)
    unsafe memory = UnsafeMutableRawBufferPointer(start: start, count: bytes)
  }

  deinit { _ = unsafe munmap(memory.baseAddress, memory.count) }

  struct NoMemory: Error {}

  /// Looks at the first and the last 4 MiB only.
  var residentPages: Int {
    var pages = 0
    var present = [UInt8](repeating: 0, count: 1024)
    let size = unsafe memory.count
    for offset in [0, size - 1024 * 4096] {
      let result = unsafe mincore(memory.baseAddress! + offset, 1024 * 4096, &present)
      if result == 0 { pages += present.count { $0 & 1 != 0 } }
    }
    return pages
  }
}
