import PageModel
import PmemBase
import Synchronization
import TestSupport
import Testing

@Suite struct `a folio's counts` {
  static func pagemap(
    _ size: PageSize = .base, type: PagemapType = .generic, regime: RefcountRegime = .landed
  ) -> Pagemap {
    Pagemap(type: type, pageCount: 4 * size.pages, folioSize: size, regime: regime)
  }

  static func counts(
    _ refcount: UInt32, _ mapcount: UInt32 = 0, pins: UInt32 = 0
  ) -> PageCounts {
    PageCounts(refcount: refcount, mapcount: mapcount, pincount: pins, share: 0)
  }

  /// Catches an idle count of the wrong regime.
  @Test(
    arguments: [
      (PagemapType.generic, RefcountRegime.landed, 1), (.fsDax, .landed, 0),
      (.devicePrivate, .landed, 0), (.generic, .legacy, 1), (.fsDax, .legacy, 1),
      (.devicePrivate, .legacy, 0),
    ] as [(PagemapType, RefcountRegime, UInt32)])
  func `begin at the idle count of type and kernel`(
    type: PagemapType, regime: RefcountRegime, idle: UInt32
  ) {
    let pagemap = Self.pagemap(type: type, regime: regime)
    #expect(pagemap.counts(folio: 0) == Self.counts(idle))
    #expect(pagemap.isIdle(folio: 0))
  }

  /// Catches a page-table entry that is not a reference and a mapcount at once (three
  /// processes, 4, then 1).
  @Test(arguments: PageSize.allCases)
  func `rise by one reference and one mapcount for each entry`(size: PageSize) {
    let pagemap = Self.pagemap(size)
    for entries in 1...3 as ClosedRange<UInt32> {
      pagemap.map(folio: 2)
      #expect(pagemap.counts(folio: 2) == Self.counts(1 + entries, entries))
    }
    #expect(!pagemap.isIdle(folio: 2) && pagemap.isIdle(folio: 1) && !pagemap.isIdle())
    pagemap.unmap(folios: 2..<3)
    pagemap.unmap(folio: 2)
    pagemap.unmap(folio: 2)
    #expect(pagemap.counts(folio: 2) == Self.counts(1) && pagemap.isIdle())
  }

  /// Catches a legacy entry that moves a count: it had the devmap bit and no reference.
  @Test func `do not move for an entry in the legacy regime`() {
    let pagemap = Self.pagemap(type: .fsDax, regime: .legacy)
    pagemap.map(folios: 0..<4)
    #expect(pagemap.counts(folio: 3) == Self.counts(1) && pagemap.isIdle())
    pagemap.get(folio: 3)
    #expect(pagemap.counts(folio: 3) == Self.counts(2))
    pagemap.put(folio: 3)
    pagemap.unmap(folios: 0..<4)
    #expect(pagemap.isIdle())
  }

  /// Catches get_page counted as a mapping: the reference outlives the entry.
  @Test func `keep plain references apart from entries`() {
    let pagemap = Self.pagemap(type: .fsDax)
    pagemap.map(folio: 0)
    pagemap.get(folio: 0)
    pagemap.unmap(folio: 0)
    #expect(pagemap.counts(folio: 0) == Self.counts(1))
    #expect(!pagemap.isIdle(folio: 0) && pagemap.mappedFolios() == 0)
    pagemap.put(folio: 0)
    #expect(pagemap.isIdle())
  }

  /// Catches pins counted as they are not: 1024 references at order 0.
  @Test func `take a pin of a small page as 1024 references`() {
    let pagemap = Self.pagemap()
    #expect(!pagemap.maybePinned(folio: 1))
    pagemap.pin(folio: 1)
    #expect(pagemap.counts(folio: 1) == Self.counts(1025))
    #expect(pagemap.maybePinned(folio: 1))
    pagemap.unpin(folio: 1)
    #expect(pagemap.isIdle() && !pagemap.maybePinned(folio: 1))
  }

  /// Catches pins of a compound folio that are not separate: refcount and pincount, one each.
  @Test(arguments: [PageSize.huge, .giant])
  func `take a pin of a large folio as a count of its own`(size: PageSize) {
    let pagemap = Self.pagemap(size)
    pagemap.map(folio: 1)
    pagemap.pin(folio: 1)
    pagemap.pin(folio: 1)
    #expect(pagemap.counts(folio: 1) == Self.counts(4, 1, pins: 2))
    #expect(pagemap.maybePinned(folio: 1) && !pagemap.maybePinned(folio: 0))
    // Plain references do not look like pins here.
    for _ in 0..<1024 { pagemap.get(folio: 0) }
    #expect(!pagemap.maybePinned(folio: 0))
    pagemap.unpin(folio: 1)
    pagemap.unpin(folio: 1)
    #expect(pagemap.counts(folio: 1) == Self.counts(2, 1))
  }

  /// Catches a false positive that is missing: the kernel has it too.
  @Test func `cannot tell 1024 references of a small page from a pin`() {
    let pagemap = Self.pagemap(type: .fsDax)
    for _ in 0..<1023 { pagemap.get(folio: 0) }
    #expect(!pagemap.maybePinned(folio: 0))
    pagemap.get(folio: 0)
    #expect(pagemap.maybePinned(folio: 0))
  }

  /// Catches a count that goes below what is there: the page's life would be over while somebody
  /// uses it.
  @Test func `stop the program when something is given back that nobody holds`() {
    #expect(endsInTrap { Self.pagemap().unmap(folio: 0) })
    #expect(endsInTrap { Self.pagemap().put(folio: 0) })
    #expect(endsInTrap { Self.pagemap(.huge).unpin(folio: 0) })
    #expect(
      endsInTrap {
        // The idle reference is not the caller's, nor is a mapping's.
        let pagemap = Self.pagemap()
        pagemap.map(folio: 0)
        pagemap.put(folio: 0)
      })
    #expect(
      endsInTrap {
        let pagemap = Self.pagemap()
        pagemap.get(folio: 0)
        pagemap.unmap(folio: 0)
      })
  }

  /// Catches a count that wraps to idle with 2^32 users: 2^22 pins of a small page are one too
  /// many.
  @Test(.timeLimit(.minutes(20)))
  func `stop the program when they pass their end`() {
    #expect(
      endsInTrap {
        let pagemap = Self.pagemap()
        for _ in 0..<1 << 22 { pagemap.pin(folio: 0) }
      })
    #expect(
      !endsInTrap {
        let pagemap = Self.pagemap()
        for _ in 0..<(1 << 22) - 1 { pagemap.pin(folio: 0) }
      })
  }

  /// Catches an update that another thread's overwrites, or a reference and a mapcount that come
  /// apart.
  @Test(.timeLimit(.minutes(20)), arguments: [PageSize.base, .huge])
  func `are exact when many threads map and unmap`(size: PageSize) async {
    let pagemap = Self.pagemap(size)
    let wrong = Atomic(0)
    await Crowd.run(threads: 4) { _ in
      for round in 0..<10_000 {
        // All of them on one folio, then on its neighbour in the cache line.
        let folio = round / 500 % 4
        pagemap.map(folio: folio)
        if round % 5 == 0 {
          pagemap.pin(folio: folio)
          if !pagemap.maybePinned(folio: folio) { wrong.add(1, ordering: .relaxed) }
          pagemap.unpin(folio: folio)
        }
        let counts = pagemap.counts(folio: folio)
        if counts.refcount <= counts.mapcount || counts.mapcount == 0 {
          wrong.add(1, ordering: .relaxed)
        }
        pagemap.unmap(folio: folio)
      }
    }
    #expect(wrong.load(ordering: .sequentiallyConsistent) == 0)
    #expect(pagemap.isIdle() && pagemap.mappedFolios() == 0 && pagemap.violation() == nil)
    #expect((0..<4).allSatisfy { pagemap.counts(folio: $0) == Self.counts(1) })
  }
}

@Suite struct `the count of mapped folios` {
  /// What a look at every descriptor finds.
  private func scanned(_ pagemap: Pagemap) -> Int {
    (0..<pagemap.folioCount).count { pagemap.counts(folio: $0).mapcount > 0 }
  }

  /// Catches entries counted in the place of folios, and references counted as entries.
  @Test func `counts each folio once, however often it is mapped`() {
    let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base)
    pagemap.map(folio: 0)
    pagemap.map(folios: 0..<4)
    pagemap.get(folio: 7)
    pagemap.pin(folio: 6)
    #expect(pagemap.mappedFolios() == 4 && scanned(pagemap) == 4)
    pagemap.unmap(folios: 0..<3)
    #expect(pagemap.mappedFolios() == 2 && scanned(pagemap) == 2)
    pagemap.unmap(folio: 0)
    pagemap.unmap(folio: 3)
    #expect(pagemap.mappedFolios() == 0 && scanned(pagemap) == 0)
  }

  /// Catches folios counted on a kernel whose device entries have no mapcount.
  @Test func `is 0 where entries are not counted`() {
    let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base, regime: .legacy)
    pagemap.map(folio: 0)
    pagemap.map(folios: 0..<4)
    #expect(pagemap.mappedFolios() == 0)
    pagemap.unmap(folios: 0..<4)
    #expect(pagemap.mappedFolios() == 0)
  }

  /// Catches a first or last entry that two threads count, or none.
  @Test(.timeLimit(.minutes(20)))
  func `is exact when threads that shared folios are done`() async {
    let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base)
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask {
          for round in 0..<20000 {
            let first = (round + thread) % 4
            pagemap.map(folios: first..<first + 3)
            pagemap.unmap(folio: first + 1)
            pagemap.unmap(folio: first)
            pagemap.unmap(folio: first + 2)
          }
          pagemap.map(folio: thread / 2)
        }
      }
    }
    #expect(pagemap.mappedFolios() == 4 && scanned(pagemap) == 4)
  }
}

@Suite struct `a pagemap's reference` {
  /// Catches G counted for each page of a compound memory map (`memremap_pages`: pfn_len >>
  /// vmemmap_shift).
  @Test(
    arguments: [
      (PagemapType.generic, PageSize.base, 1024), (.generic, .huge, 2), (.fsDax, .base, 1024),
      (.devicePrivate, .base, 0),
    ] as [(PagemapType, PageSize, UInt64)])
  func `begins with one for each folio`(type: PagemapType, size: PageSize, count: UInt64) {
    #expect(Pagemap(type: type, pageCount: 1024, folioSize: size).references == count)
  }

  /// Catches a memory map that ends while somebody looks into it, or a get that succeeds after its
  /// end.
  @Test func `keeps the memory map until the last is back`() {
    let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base)
    #expect(pagemap.life == .live)
    #expect(pagemap.getReference())
    #expect(pagemap.references == 9)
    pagemap.kill()
    #expect(pagemap.life == .dying && pagemap.references == 1)
    #expect(!pagemap.getReference())
    pagemap.kill()
    #expect(pagemap.references == 1)
    pagemap.putReference()
    #expect(pagemap.life == .dead && pagemap.references == 0)
    #expect(!pagemap.getReference())
  }

  /// Catches an end that waits for mappings or pins: generic and fs-dax memory maps do not.
  @Test func `does not wait for pages in use`() {
    let pagemap = Pagemap(type: .fsDax, pageCount: 8, folioSize: .base)
    pagemap.pin(folio: 0)
    pagemap.map(folio: 1)
    pagemap.kill()
    #expect(pagemap.life == .dead)
    pagemap.unpin(folio: 0)
    pagemap.unmap(folio: 1)
    #expect(pagemap.isIdle())
  }

  /// Catches a folio's page that comes back as the pagemap's reference, idle again or not: the two
  /// are separate counts.
  @Test func `does not move with the pages`() {
    let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base)
    pagemap.map(folio: 0)
    pagemap.get(folio: 0)
    #expect(pagemap.references == 8)
    pagemap.put(folio: 0)
    pagemap.unmap(folio: 0)
    #expect(pagemap.references == 8)
  }

  /// Catches a creation reference put by somebody who never took one.
  @Test func `stops the program when it is put once too often`() {
    #expect(
      endsInTrap {
        Pagemap(type: .generic, pageCount: 8, folioSize: .base).putReference()
      })
    #expect(
      endsInTrap {
        let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base)
        pagemap.kill()
        pagemap.putReference()
      })
  }

  /// Catches a get that slips past kill: killed and taken must be one step.
  @Test(.timeLimit(.minutes(20)))
  func `is never taken after the end, whoever is faster`() async {
    for _ in 0..<200 {
      let pagemap = Pagemap(type: .generic, pageCount: 8, folioSize: .base)
      let taken = await withTaskGroup(of: Int.self) { group in
        for _ in 0..<3 {
          group.addTask {
            var taken = 0
            for _ in 0..<50 where pagemap.getReference() { taken += 1 }
            return taken
          }
        }
        group.addTask {
          pagemap.kill()
          return 0
        }
        return await group.reduce(0, +)
      }
      #expect(pagemap.references == UInt64(taken))
      for _ in 0..<taken { pagemap.putReference() }
      #expect(pagemap.life == .dead)
    }
  }
}

@Suite struct `refcount regimes` {
  /// Catches a kernel that is given the other kernels' counts.
  @Test func `follow the kernel's version`() {
    #expect(RefcountRegime(.v6_1) == .legacy)
    #expect(RefcountRegime(.v6_12) == .legacy)
    #expect(RefcountRegime(.v7_2) == .landed)
    #expect(RefcountRegime.landed.chargesResidentSet)
    #expect(!RefcountRegime.legacy.chargesResidentSet)
  }
}
