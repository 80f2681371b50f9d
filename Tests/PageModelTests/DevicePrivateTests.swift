import PageModel
import PmemBase
import Testing

/// A driver that brings back the whole folio that was touched, or the page if the folio is not mapped whole.
private final class Driver: DevicePrivateDriver {
  var fails = false
  private(set) var calls = 0
  private(set) var freed: [(head: Int, size: PageSize)] = []
  private(set) var mappingsAtFree: [UInt64?] = []
  private(set) var splits: [(head: Int, tail: Int?)] = []
  weak var device: DevicePrivateMemory?

  func migrateToRAM(_ memory: ProcessMemory, page: UInt64, devicePage: Int) -> Bool {
    calls += 1
    if fails { return false }
    let isHuge = memory.entry(at: page)?.size == .huge
    let first = isHuge ? page & ~511 : page
    return
      (try? memory.migrateToSystem(
        first..<first + (isHuge ? 512 : 1), held: devicePage)) == [first]
  }

  func folioFree(head: Int, size: PageSize) {
    freed.append((head, size))
    mappingsAtFree.append(device?.mapping(ofPage: head))
  }

  func folioSplit(head: Int, tail: Int?) { splits.append((head, tail)) }
}

@Suite struct `device-private memory` {
  private struct Bench {
    let driver = Driver()
    let device: DevicePrivateMemory
    let system = FolioPool.ordinary(pages: 4096)
    let memory: ProcessMemory

    init(devicePages: UInt64 = 2048, regime: RefcountRegime = .landed) {
      device = DevicePrivateMemory(pages: devicePages, regime: regime)
      device.driver = driver
      driver.device = device
      memory = ProcessMemory(process: 42, system: system, device: device)
    }

    /// A touched 2 MiB of anonymous memory at page 512, with a value in the first, seventh and last page.
    func touched() -> Bench {
      memory.map(512..<1024, .anonymous)
      for page in [512, 519, 1023] as [UInt64] { _ = memory.store(page, page) }
      return self
    }

    func holdsValues() -> Bool { [512, 519, 1023].allSatisfy { memory.load($0) == $0 } }
  }

  private static func counts(_ refcount: UInt32, _ mapcount: UInt32 = 0) -> PageCounts {
    PageCounts(refcount: refcount, mapcount: mapcount, pincount: 0, share: 0)
  }

  /// Catches a huge page that arrives in pieces, one that is counted twice, and RSS that forgets the device.
  @Test func `DP-01: a huge page moves to the device as one folio, one entry, one reference`()
    throws
  {
    let bench = Bench().touched()
    let systemPage = try #require(bench.memory.entry(at: 512)).page
    #expect(bench.memory.residentPages == 512)
    #expect(try bench.memory.migrateToDevice(512..<1024) == [512])
    let entry = try #require(bench.memory.entry(at: 600))
    #expect(entry.place == .device && entry.size == .huge)
    #expect(bench.memory.smallDeviceEntries == 0)
    #expect(bench.device.pagemap.counts(folio: entry.page) == Self.counts(1, 1))
    #expect(bench.device.pagemap.size(ofPage: UInt64(entry.page + 7)).order == 9)
    #expect(bench.device.mapping(ofPage: entry.page + 7) == 42)
    #expect(bench.memory.residentPages == 512)
    // What it left is free.
    #expect(bench.system.pagemap.counts(folio: systemPage) == Self.counts(0))
    #expect(bench.system.freePages == 4096)
  }

  /// Catches a move that gives up where there is no large folio, and pages that are mixed up on the way.
  @Test func `DP-02: without a large folio on the device 512 pages move one by one`() throws {
    let bench = Bench(devicePages: 1536).touched()
    // A page in use in every 2 MiB: room enough, and none for a large folio.
    var pages: [Int] = []
    while let page = bench.device.allocate(.base) { pages.append(page) }
    for page in pages where page % 512 != 0 { bench.device.put(page) }
    #expect(bench.device.allocate(.huge) == nil)
    #expect(try bench.memory.migrateToDevice(512..<1024).count == 512)
    #expect(bench.memory.smallDeviceEntries == 512 && bench.memory.residentPages == 512)
    for page in [512, 519, 1023] as [UInt64] {
      let entry = try #require(bench.memory.entry(at: page))
      #expect(entry.size == .base)
      #expect(bench.device.pagemap.counts(folio: entry.page) == Self.counts(1, 1))
      #expect(bench.device.contents(ofPage: entry.page) == page)
    }
    #expect(bench.system.freePages == 4096)
    #expect(bench.holdsValues())
  }

  /// Catches a fault for each page, a huge page that comes back in pieces, and a folio that stays behind.
  @Test func `DP-03: one touch brings a huge page back with one call`() throws {
    let bench = Bench().touched()
    try bench.memory.migrateToDevice(512..<1024)
    guard case .migrated(let entry) = bench.memory.touch(519) else {
      Issue.record("the touch did not migrate")
      return
    }
    #expect(bench.driver.calls == 1)
    #expect(entry.place == .system && entry.size == .huge)
    #expect(bench.system.pagemap.counts(folio: entry.page) == Self.counts(1, 1))
    #expect(bench.holdsValues() && bench.driver.calls == 1)
    #expect(bench.device.pagemap.references == 0 && bench.driver.freed.count == 1)
  }

  /// Catches a cut that loses a reference, a folio that is split by the cut, and one that is never split.
  @Test func `DP-04: a cut through a huge page on the device makes 512 entries of one folio`()
    throws
  {
    let bench = Bench().touched()
    try bench.memory.migrateToDevice(512..<1024)
    let head = try #require(bench.memory.entry(at: 512)).page
    bench.memory.unmap(600..<601)
    #expect(bench.memory.smallDeviceEntries == 511 && bench.memory.entry(at: 600) == nil)
    // 1 + 511 for the cut, less the one that went.
    #expect(bench.device.pagemap.counts(folio: head) == Self.counts(511, 511))
    #expect(bench.device.pagemap.size(ofPage: UInt64(head + 3)) == .huge)
    #expect(bench.driver.splits.isEmpty && bench.driver.freed.isEmpty)
    // The folio is split when one of its pages is to move alone.
    #expect(bench.memory.load(519) == 519)
    #expect(bench.driver.splits.count == 512)
    #expect(bench.driver.splits.allSatisfy { $0.head == head })
    #expect(bench.driver.splits.dropLast().map(\.tail) == Array(head + 1..<head + 512))
    #expect(bench.driver.splits.last!.tail == nil)
    // The page that nobody mapped, and the one that moved, are the driver's.
    #expect(Set(bench.driver.freed.map(\.head)) == [head + 88, head + 7])
    #expect(bench.device.pagemap.references == 510)
    let other = try #require(bench.memory.entry(at: 1023)).page
    #expect(bench.device.pagemap.counts(folio: other) == Self.counts(1, 1))
    #expect(bench.device.mapping(ofPage: other) == 42)
    #expect(bench.holdsValues())
  }

  /// Catches a page that is moved away under somebody who holds it.
  @Test func `DP-05: a page with an extra reference does not move, its neighbours do`() throws {
    let bench = Bench()
    bench.memory.map(0..<4, .anonymous)
    for page in 0..<4 as Range<UInt64> { _ = bench.memory.store(page, page + 10) }
    let held = try #require(bench.memory.entry(at: 2)).page
    bench.system.pagemap.get(folio: held)
    #expect(try bench.memory.migrateToDevice(0..<4) == [0, 1, 3])
    #expect(bench.memory.entry(at: 2)?.place == .system)
    #expect(bench.memory.entry(at: 2)?.isMigrating == false)
    #expect(bench.system.pagemap.counts(folio: held) == Self.counts(2, 1))
    bench.system.pagemap.put(folio: held)
    #expect(try bench.memory.migrateToDevice(0..<4) == [2])
    #expect((0..<4).allSatisfy { bench.memory.load($0) == $0 + 10 })
  }

  /// Catches a migration of pages that are not memory management's to move.
  @Test(arguments: [ProcessMemory.Kind.dax, .hugetlb, .special])
  func `DP-06: a window of DAX, hugetlb or a driver refuses migration`(
    kind: ProcessMemory.Kind
  ) {
    let bench = Bench().touched()
    bench.memory.map(1024..<1028, kind)
    #expect(throws: MigrationRefused.self) { try bench.memory.migrateToDevice(1024..<1028) }
    // Nor may it be part of the range; nothing has moved.
    #expect(throws: MigrationRefused.self) { try bench.memory.migrateToDevice(1020..<1028) }
    #expect(throws: MigrationRefused.self) { try bench.memory.migrateToDevice(4000..<4001) }
    #expect(bench.memory.entry(at: 512)?.size == .huge && bench.holdsValues())
  }

  /// Catches a folio that is freed page by page, a mapping that the driver still sees, and a pagemap that keeps
  /// references.
  @Test func `DP-07, RC-34: the last put frees the folio once and drops 512 pagemap references`()
    throws
  {
    let bench = Bench().touched()
    try bench.memory.migrateToDevice(512..<1024)
    let head = try #require(bench.memory.entry(at: 512)).page
    bench.device.get(head + 9)
    #expect(bench.device.pagemap.references == 512)
    bench.memory.unmap(512..<1024)
    #expect(bench.driver.freed.isEmpty && bench.device.pagemap.references == 512)
    #expect(bench.device.mapping(ofPage: head) == 42)
    bench.device.put(head + 9)
    #expect(bench.driver.freed.map(\.head) == [head])
    #expect(bench.driver.freed.map(\.size) == [.huge])
    #expect(bench.driver.mappingsAtFree == [nil])
    #expect(bench.device.pagemap.references == 0)
    #expect(bench.device.pagemap.counts(folio: head) == Self.counts(0))
    #expect(bench.memory.residentPages == 0)
  }

  /// Catches a driver's failure that is lost, and a page that is lost with it.
  @Test func `DP-08: what the driver cannot bring back is SIGBUS, and stays where it is`() throws {
    let bench = Bench().touched()
    try bench.memory.migrateToDevice(512..<1024)
    let entry = bench.memory.entry(at: 512)
    bench.driver.fails = true
    #expect(bench.memory.touch(519) == .busError)
    #expect(bench.memory.entry(at: 512) == entry)
    #expect(bench.device.pagemap.counts(folio: entry!.page) == Self.counts(1, 1))
    bench.driver.fails = false
    #expect(bench.holdsValues())
  }

  /// Catches a page cache page on a device: writeback could not read it.
  @Test func `DP-09: pages of a file stay, and the driver's page comes back`() throws {
    let bench = Bench()
    bench.memory.map(0..<2, .file)
    bench.memory.map(2..<4, .anonymous)
    for page in 0..<4 as Range<UInt64> { _ = bench.memory.store(page, page + 10) }
    #expect(try bench.memory.migrateToDevice(0..<4) == [2, 3])
    #expect(bench.memory.entry(at: 0)?.place == .system)
    #expect(bench.memory.entry(at: 0)?.isMigrating == false)
    // Two of the four pages that it gave are free again.
    #expect(bench.driver.freed.count == 2 && bench.device.pagemap.references == 2)
    #expect(bench.driver.calls == 0)
  }

  /// Catches a touch that goes ahead while the page is on its way, and a driver that finds no page for it.
  @Test func `is waited for on its way, and put back if it cannot go`() throws {
    let bench = Bench().touched()
    let migration = try bench.memory.beginMigration(512..<1024, from: .system, compound: true)
    #expect(migration.sources.keys.sorted() == [512])
    #expect(bench.memory.touch(519) == .waits)
    #expect(bench.memory.finish(migration).isEmpty)
    #expect(bench.holdsValues() && bench.memory.entry(at: 512)?.size == .huge)
  }

  /// Catches a small page that becomes part of a large folio by moving.
  @Test func `does not take a small page into a large folio`() throws {
    let bench = Bench()
    bench.memory.map(0..<1, .anonymous)
    _ = bench.memory.store(0, 5)
    var migration = try bench.memory.beginMigration(0..<1, from: .system, compound: true)
    let head = try #require(bench.device.allocate(.huge))
    migration.destinations[0] = .init(page: head, size: .huge)
    #expect(bench.memory.finish(migration).isEmpty)
    #expect(bench.driver.freed.map(\.head) == [head] && bench.device.pagemap.references == 0)
    #expect(bench.memory.load(0) == 5)
  }

  /// Catches a large device folio on a kernel that has none, an idle count that is not that kernel's, and a free that
  /// comes at another one.
  @Test(arguments: [(RefcountRegime.managed, 1), (.legacy, 0)] as [(RefcountRegime, UInt32)])
  func `has small folios only before the landed regime`(regime: RefcountRegime, idle: UInt32)
    throws
  {
    let bench = Bench(regime: regime).touched()
    #expect(bench.device.allocate(.huge) == nil)
    #expect(try bench.memory.migrateToDevice(512..<1024).count == 512)
    let page = try #require(bench.memory.entry(at: 519)).page
    #expect(bench.device.pagemap.counts(folio: page) == Self.counts(idle + 1, 1))
    #expect(bench.memory.load(519) == 519)
    #expect(bench.device.pagemap.counts(folio: page) == Self.counts(idle))
    #expect(bench.driver.freed.map(\.head) == [page])
  }

  /// Catches a memory map that goes while a page of it is in use: these pages do hold it.
  @Test func `holds its memory map until the last page is free`() throws {
    let bench = Bench().touched()
    try bench.memory.migrateToDevice(512..<1024)
    bench.device.pagemap.kill()
    #expect(bench.device.pagemap.life == .dying)
    #expect(bench.device.allocate(.base) == nil)
    #expect(bench.holdsValues())
    #expect(bench.device.pagemap.life == .dead)
  }
}
