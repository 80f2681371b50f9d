internal import LinuxSys
internal import PmemBase
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Medium

/// Memory that lives as long as the server.
@Suite(.serialized) struct `Memory as medium` {
  /// Catches a device that a workload could cut off under the others.
  @Test func `nobody can change the size of a memfd`() throws {
    let medium = try MemoryMedium(name: "test", size: 8 << 20)
    #expect(medium.size == 8 << 20)
    #expect(medium.pageBytes == 4096)
    try medium.withDescriptor { file throws(any Error) in
      for size in [UInt64(0), 4 << 20, 16 << 20] {
        #expect(throws: Errno.notPermitted) { try file.truncate(to: size) }
      }
      #expect(try file.facts().size == 8 << 20)
    }
  }

  /// Catches memory that is taken before it is used, and `fill` that changes bytes.
  @Test func `memory is allocated when it is filled, and what is there stays`() throws {
    let medium = try MemoryMedium(name: "test", size: 64 << 20)
    try medium.withDescriptor { file throws(any Error) in
      #expect(try file.facts().allocated == 0)
      let mapping = try Mapping(reserving: 2 << 20)
      try mapping.put(file)
      mapping.write(7, at: 4096)
      try medium.fill(offset: 0, length: 1 << 20)
      #expect(mapping.read(4096) == 7)
      #expect(mapping.read(8192) == 0)
      #expect(try file.facts().allocated == 1 << 20)
    }
  }

  /// Catches a shortage that a workload finds out, by SIGBUS.
  @Test func `huge pages that are not reserved are refused in one line that says what to do`() {
    let pool = HugePagePool(.huge)
    let (free, total) = (pool.free, pool.total)
    let needed = free + (1 << 20)
    let line = complaint { () throws(MediumError) in
      try MemoryMedium(name: "test", size: needed << 21, pages: .huge)
    }
    #expect(
      line
        == "\(needed) huge pages of 2 MiB needed, \(free) free; reserve them: echo \(total - free + needed) > "
        + "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    #expect(HugePagePool(.huge).free == free)
  }

  /// Catches huge pages taken late or kept for ever.
  @Test(
    .enabled(
      if: HugePages.canReserve,
      "no huge pages of 2 MiB: sysctl vm.nr_hugepages=8, or run as root"))
  func `huge pages are taken at once, and given back at the end`() throws {
    let pages = try HugePages(4)
    let before = HugePagePool(.huge).free
    var medium: MemoryMedium? = try MemoryMedium(name: "test", size: 8 << 20, pages: .huge)
    #expect(medium?.kind == .hugetlb)
    #expect(medium?.pageBytes == 2 << 20)
    #expect(HugePagePool(.huge).free == before - 4)
    medium = nil
    #expect(HugePagePool(.huge).free == before)
    withExtendedLifetime(pages) {}
  }

  /// Catches descriptors that outlive their medium, refused or not.
  @Test func `nothing is left open`() throws {
    func memories() -> Int {
      Folder.entries("/proc/self/fd").count { name in
        target(ofLink: "/proc/self/fd/\(name)").contains("softdax-leak")
      }
    }
    for _ in 0..<8 { _ = try MemoryMedium(name: "softdax-leak", size: 4096) }
    let line = complaint { () throws(MediumError) in
      try MemoryMedium(name: "softdax-leak", size: 1 << 63)
    }
    #expect(
      line == "memfd_create softdax-leak: Invalid argument; give a smaller --size",
      "\(line ?? "accepted")")
    #expect(memories() == 0)
    let held = try MemoryMedium(name: "softdax-leak", size: 4096)
    #expect(memories() == 1)
    withExtendedLifetime(held) {}
  }
}

/// Huge pages of 2 MiB for a test: those there are, or more for its time where it may ask for them.
final class HugePages {
  private static let node = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
  private let added: UInt64

  static var canReserve: Bool {
    HugePagePool(.huge).free >= 4
      || HugePagePool(.huge).exists && (try? OwnedDescriptor.openExisting(node)) != nil
  }

  init(_ needed: UInt64) throws {
    let pool = HugePagePool(.huge)
    let before = pool.total
    added = pool.free >= needed ? 0 : needed
    if added > 0 { try Self.set(before + added) }
    guard pool.free >= needed else {
      try Self.set(before)
      throw Errno.noMemory
    }
  }

  deinit { if added > 0 { try? Self.set(HugePagePool(.huge).total - added) } }

  private static func set(_ count: UInt64) throws(Errno) {
    try SmallFile.write(Array("\(count)\n".utf8), to: node, mode: 0o644)
  }
}
