internal import DaxModel
internal import FaultEngine
internal import Latency
internal import Medium
internal import PageModel
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import TestSupport
internal import Testing

/// Pages come in when they are touched, exactly once, and counted.
@Suite(
  .serialized, .enabled(if: hasUserfaultfd, "userfaultfd is not permitted here: run as root"),
  .timeLimit(.minutes(20)))
struct `Inserting pages` {
  /// Catches pages that come in untouched, twice, or uncounted.
  @Test(arguments: TestMedium.all)
  func `each first touch inserts one page and counts it`(on medium: TestMedium) throws {
    let own = try OwnWorkload(pages: 64, on: medium)
    let page = own.page
    let mapping = try own.map(pages: 64)
    for index in stride(from: UInt64(0), to: 64, by: 4) {
      mapping.write(UInt8(index), at: index * page)
    }
    #expect(own.inserted(16) == 16)
    #expect(own.faulted(16) == 16)
    waitUntil { own.device.latencies.insert.snapshot().count >= 16 }
    #expect(own.device.latencies.insert.snapshot().count == 16)
    #expect(own.mapcounts == (0..<64).map { $0 % 4 == 0 ? 1 : 0 })
    #expect(own.presentPages(mapping) == 16)
    for index in stride(from: UInt64(0), to: 64, by: 4) {
      #expect(mapping.read(index * page) == UInt8(index))
    }
    #expect(own.faulted(16) == 16)
    #expect(own.device.pagemap.violation() == nil)
  }

  /// Catches offsets that are lost between window and medium.
  @Test(arguments: TestMedium.all)
  func `two windows of one page are one page, with two mapcounts`(on medium: TestMedium) throws {
    let own = try OwnWorkload(pages: 16, on: medium)
    let page = own.page
    let (low, high) = (try own.map(pages: 16), try own.map(first: 8, pages: 8))
    low.write(77, at: 11 * page + 5)
    #expect(high.read(3 * page + 5) == 77)
    #expect(own.mapcounts[11] == 2)
    #expect(own.mapcounts.reduce(0, +) == 2)
    if own.device.medium.insertion == .remapped {
      #expect(own.agent.insertions.withLock { $0 } == [11 * page, 11 * page])
    }
  }

  /// Catches a page inserted for each thread that waits for it, and threads that are never woken.
  @Test(arguments: TestMedium.all)
  func `64 threads that touch one page cause one insertion`(on medium: TestMedium) throws {
    for _ in 0..<8 {
      let own = try OwnWorkload(pages: 8, on: medium)
      let page = own.page
      let mapping = try own.map(pages: 8)
      try own.device.medium.withDescriptor { file in
        let direct = try Mapping(reserving: 8 * page, alignment: page)
        try direct.put(file)
        for index in 0..<64 as Range<UInt64> {
          direct.write(index == 0 ? 99 : 0, at: 3 * page + index * 64)
        }
      }
      let right = SharedCount()
      let threads = try (0..<64).map { index in
        try TestThread {
          if mapping.read(3 * page + UInt64(index) * 64) == (index == 0 ? 99 : 0) { right.add() }
        }
      }
      for thread in threads { thread.join() }
      #expect(right.value == 64)
      #expect(own.inserted(1) == 1)
      #expect(own.mapcounts == [0, 0, 0, 1, 0, 0, 0, 0])
    }
  }

  /// Catches a storm in which a count or a page gets lost: every page of a device, by threads in different orders.
  @Test(arguments: TestMedium.all)
  func `threads that race over all pages insert each once`(on medium: TestMedium) throws {
    let count = try medium.pages(upTo: 241)
    let own = try OwnWorkload(pages: count, on: medium)
    let page = own.page
    let mapping = try own.map(pages: count)
    let threads = try [UInt64](arrayLiteral: 1, 3, 5, 7, 11, 13, 17, 19).map { step in
      try TestThread {
        for index in 0..<count { _ = mapping.read(index * step % count * page) }
      }
    }
    for thread in threads { thread.join() }
    #expect(own.inserted(count) == count)
    #expect(own.mapcounts.allSatisfy { $0 == 1 })
    #expect(own.presentPages(mapping) == Int(count))
  }

  /// Catches eager insertion that leaves holes or waits for touches.
  @Test(arguments: TestMedium.all, [false, true])
  func `eager insertion brings in every page before the first touch`(
    on medium: TestMedium, byOption: Bool
  ) throws {
    let count = try medium.pages(upTo: 1200)
    let own = try OwnWorkload(
      pages: count, on: medium, options: InsertionOptions(populates: byOption))
    let page = own.page
    let mapping = try own.map(pages: count, populate: !byOption)
    #expect(own.inserted(count) == count)
    #expect(own.mapcounts.allSatisfy { $0 == 1 })
    for index in 0..<count { _ = mapping.read(index * page) }
    #expect(own.device.faultsEver == 0)
    #expect(own.inserted(count) == count)
  }

  /// Catches a block that starts anywhere, and pages counted that were there before.
  @Test(arguments: TestMedium.all)
  func `fault-around inserts what is absent in the aligned block`(on medium: TestMedium) throws {
    let own = try OwnWorkload(
      pages: 64, on: medium, options: InsertionOptions(around: 16))
    let page = own.page
    let mapping = try own.map(pages: 64)
    _ = mapping.read(21 * page)
    #expect(own.faulted(1) == 1)
    #expect(own.inserted(16) == 16)
    #expect(own.mapcounts == (0..<64).map { (16..<32).contains($0) ? 1 : 0 })
    for index in UInt64(0)..<64 { _ = mapping.read(index * page) }
    #expect(own.faulted(4) == 4)
    #expect(own.inserted(64) == 64)
    #expect(own.mapcounts.allSatisfy { $0 == 1 })
  }

  /// Catches a huge page of which only the touched 4 KiB come in, or that counts as 512.
  @Test func `a device of 2M pages inserts 2M at a touch, as one folio`() throws {
    let own = try OwnWorkload(pages: 1024, alignment: .huge)
    let mapping = try own.map(pages: 1024)
    mapping.write(1, at: (2 << 20) - 1)
    #expect(own.inserted(1) == 1)
    #expect(own.mapcounts == [1, 0])
    #expect(mapping.presentPages == 512)
  }

  /// Catches a fault that is never answered because the model says that the page is there.
  @Test func `a page that a raw system call took away comes back, counted as before`() throws {
    let own = try OwnWorkload(pages: 8)
    let page = own.page
    let mapping = try own.map(pages: 8)
    mapping.write(42, at: 0)
    try mapping.zap(0, length: page)
    #expect(mapping.read(0) == 42)
    #expect(own.mapcounts[0] == 1)
    #expect(own.faulted(2) == 2)
    #expect(own.inserted(1) == 1)
  }

  /// Catches a touch past the device's end that waits for ever, or takes a page of it.
  @Test func `past the device's end the agent withdraws the page`() throws {
    let own = try OwnWorkload(pages: 4, on: .remapped)
    let page = own.page
    let mapping = try own.map(first: 2, pages: 4)
    _ = mapping.read(page)
    _ = mapping.read(2 * page)
    #expect(own.agent.withdrawals.load(ordering: .relaxed) == 1)
    #expect(own.mapcounts == [0, 0, 0, 1])
  }

  /// Catches references for pages that nobody could map.
  @Test func `what the agent cannot map holds no reference`() throws {
    let own = try OwnWorkload(pages: 4, on: .remapped)
    own.agent.failure.withLock { $0 = .noMemory }
    let mapping = try own.map(pages: 4, populate: true)
    #expect(own.device.pagemap.isIdle())
    #expect(own.device.insertedEver == 0)
    #expect(mapping.presentPages == 0)
  }

  /// Catches an attach that accepts windows which no device can have.
  @Test func `a window that breaks the device's rules is refused, and nothing is registered`()
    throws
  {
    let own = try OwnWorkload(pages: 1024, alignment: .huge)
    let workload = try #require(own.workload)
    let place = try Mapping(reserving: 2 << 20, alignment: 2 << 20)
    func add(device: Int = 0, _ address: UInt64, _ length: UInt64) throws {
      try workload.add(
        device: device, address: address, length: length, offset: 0, protection: .read,
        access: .readWrite, populate: true)
    }
    #expect(throws: Errno.invalidArgument) { try add(device: 1, place.address, 2 << 20) }
    #expect(throws: Errno.invalidArgument) { try add(place.address + 4096, 2 << 20) }
    #expect(throws: Errno.invalidArgument) { try add(place.address, 4096) }
    #expect(throws: Errno.invalidArgument) { try add(place.address, 0) }
    #expect(throws: Errno.invalidArgument) { try add(.max - 4095, 8192) }
    // Not the medium at all: the kernel refuses minor faults there.
    #expect(throws: Errno.invalidArgument) { try add(place.address, 2 << 20) }
    #expect(!workload.maps(device: 0))
    #expect(own.device.pagemap.isIdle())
  }

  /// Catches a thread that waits for ever where the kernel cannot turn a failed page into SIGBUS (before Linux 6.6), and a
  /// reference kept for a page that never came.
  @Test
  func `a page that cannot be had is withdrawn by the agent where the kernel has no UFFDIO_POISON`()
    throws
  {
    let own = try OwnWorkload(
      pages: 4, options: InsertionOptions(usesMarkers: false), medium: try FullMedium(pages: 4))
    let page = own.page
    let mapping = try own.map(pages: 4)
    #expect(mapping.read(2 * page) == 0)
    #expect(own.agent.withdrawals.load(ordering: .relaxed) == 1)
    #expect(own.mapcounts == [0, 0, 0, 0])
  }
}

/// How often something happened, in several threads.
final class SharedCount: Sendable {
  private let count = Atomic(0)
  var value: Int { count.load(ordering: .sequentiallyConsistent) }
  func add() { count.add(1, ordering: .sequentiallyConsistent) }
}
