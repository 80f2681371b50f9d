public import PmemBase

/// A migration under way, as its driver sees it: which pages may move (`src`), and where to (`dst`).
///
/// Source: `struct migrate_vma`, include/linux/migrate.h (v7.3).
public struct Migration: Sendable {
  /// Where a page is to go: the first page of a folio with one reference, the driver's.
  public struct Destination: Hashable, Sendable {
    public let page: Int
    public let size: PageSize

    public init(page: Int, size: PageSize) {
      self.page = page
      self.size = size
    }
  }

  public let destinationPlace: ProcessMemory.Place
  /// Entries that may move, by the process's page; a huge one has one slot, at its first page, and the others are empty.
  public internal(set) var sources: [UInt64: ProcessMemory.Entry]
  /// What the driver has found for them, by the same pages; for a huge source one huge folio, or 512 pages.
  public var destinations: [UInt64: Destination] = [:]
  let held: Int?
}

/// EINVAL of `migrate_vma_setup`.
public struct MigrationRefused: Error, Equatable, Sendable {}

extension ProcessMemory {
  /// Collects what may move, and makes it migration entries, so that touches wait.
  ///
  /// A page on which somebody has a reference that no entry explains is left where it is. A huge entry moves as one if
  /// the caller asks for it and takes it whole; otherwise it and its folio are taken apart. So is a large folio that small
  /// entries name.
  ///
  /// - Parameters:
  ///   - compound: MIGRATE_VMA_SELECT_COMPOUND.
  ///   - held: The page whose fault asks for this: it has one reference more (`fault_page`).
  /// - Throws: EINVAL for a range that is no ordinary memory.
  ///
  /// Source: `migrate_vma_setup`, `migrate_vma_collect_pmd`, `migrate_vma_check_page`, mm/migrate_device.c (v7.3).
  public func beginMigration(
    _ pages: Range<UInt64>, from place: Place, compound: Bool, held: Int? = nil
  ) throws(MigrationRefused) -> Migration {
    for page in pages {
      switch kind(at: page) {
      case .anonymous, .file: break
      case .dax, .hugetlb, .special, nil: throw MigrationRefused()
      }
    }
    var migration = Migration(
      destinationPlace: place == .system ? .device : .system, sources: [:], held: held)
    for head in huge.keys.filter({ pages.overlaps($0..<$0 + PageSize.huge.pages) }).sorted() {
      let entry = huge[head]!
      guard entry.place == place, !entry.isMigrating, isUnused(entry, held) else { continue }
      let isWhole = pages.lowerBound <= head && head + PageSize.huge.pages <= pages.upperBound
      if compound, isWhole {
        huge[head]!.isMigrating = true
        migration.sources[head] = huge[head]!
      } else {
        splitEntry(head)
        _ = splitFolio(place, entry.page, held: heldIn(entry, held))
      }
    }
    for page in pages {
      guard let entry = base[page], entry.place == place, !entry.isMigrating else { continue }
      let pagemap = pool(place).pagemap
      if pagemap.size(ofPage: UInt64(entry.page)) != .base {
        let head = pagemap.folio(ofPage: UInt64(entry.page))
        let folio = Entry(place: place, page: head, size: .huge)
        guard splitFolio(place, head, held: heldIn(folio, held)) else { continue }
      }
      guard isUnused(entry, held) else { continue }
      base[page]!.isMigrating = true
      migration.sources[page] = base[page]!
    }
    return migration
  }

  /// Moves what has a destination, puts everything else back, and gives the driver's references back.
  ///
  /// A huge source without a huge destination is taken apart and its pages move one by one; a small source does not move
  /// to a huge destination. Pages of files do not move to a device.
  ///
  /// - Returns: Pages of the process that have moved: one for each slot, the first page of a huge one.
  ///
  /// Source: `__migrate_device_pages`, `migrate_vma_split_unmapped_folio`, `migrate_vma_finalize`,
  /// mm/migrate_device.c (v7.3).
  @discardableResult
  public func finish(_ migration: Migration) -> [UInt64] {
    var sources = migration.sources
    for (head, entry) in migration.sources where entry.size == .huge {
      guard migration.destinations[head]?.size == .base else { continue }
      sources[head] = nil
      splitEntry(head)
      _ = splitFolio(entry.place, entry.page, held: heldIn(entry, migration.held))
      for page in head..<head + PageSize.huge.pages { sources[page] = base[page]! }
    }
    var moved: [UInt64] = []
    var unused = migration.destinations
    for (page, entry) in sources.sorted(by: { $0.key < $1.key }) {
      if let destination = unused[page], destination.size == entry.size,
        migration.destinationPlace == .system || kind(at: page) == .anonymous
      {
        unused[page] = nil
        move(page, entry, to: destination, in: migration.destinationPlace)
        moved.append(page)
      } else if entry.size == .huge {
        huge[page]?.isMigrating = false
      } else {
        base[page]?.isMigrating = false
      }
    }
    for destination in unused.values {
      dropDriversReference(migration.destinationPlace, destination.page)
    }
    return moved
  }

  /// A whole migration to the device: huge folios where they fit, pages where not.
  ///
  /// - Returns: What `finish` returns.
  /// - Throws: EINVAL.
  @discardableResult
  public func migrateToDevice(
    _ pages: Range<UInt64>, compound: Bool = true
  ) throws(MigrationRefused) -> [UInt64] {
    var migration = try beginMigration(pages, from: .system, compound: compound)
    fill(&migration) { device.allocate($0) }
    return finish(migration)
  }

  /// A whole migration back, as a driver's `migrateToRAM` makes it.
  ///
  /// - Parameter held: The device page that was touched.
  /// - Throws: EINVAL.
  @discardableResult
  public func migrateToSystem(
    _ pages: Range<UInt64>, held: Int? = nil, compound: Bool = true
  ) throws(MigrationRefused) -> [UInt64] {
    var migration = try beginMigration(pages, from: .device, compound: compound, held: held)
    fill(&migration) { system.take($0) }
    return finish(migration)
  }

  // MARK: Private

  private func fill(_ migration: inout Migration, allocate: (PageSize) -> Int?) {
    for (page, entry) in migration.sources.sorted(by: { $0.key < $1.key }) {
      if let first = allocate(entry.size) {
        migration.destinations[page] = .init(page: first, size: entry.size)
      } else if entry.size == .huge {
        for small in page..<page + PageSize.huge.pages {
          guard let first = allocate(.base) else { break }
          migration.destinations[small] = .init(page: first, size: .base)
        }
      }
    }
  }

  private func move(
    _ page: UInt64, _ entry: Entry, to destination: Migration.Destination, in place: Place
  ) {
    let (old, new) = (pool(entry.place), pool(place))
    for offset in 0..<Int(entry.size.pages) {
      new.contents[destination.page + offset] = old.contents[entry.page + offset]
    }
    let moved = Entry(place: place, page: destination.page, size: entry.size)
    new.pagemap.map(folio: destination.page)
    if place == .device { device.setMapping(destination.page, process) }
    if entry.size == .huge { huge[page] = moved } else { base[page] = moved }
    release(entry)
    dropDriversReference(place, destination.page)
  }

  private func dropDriversReference(_ place: Place, _ page: Int) {
    if place == .device {
      device.put(page)
    } else if system.pagemap.put(folio: page) == .frees {
      system.giveBack(page)
    }
  }

  /// Whether only page-table entries, and the fault that asks, hold the entry's folio.
  private func isUnused(_ entry: Entry, _ held: Int?) -> Bool {
    let pagemap = pool(entry.place).pagemap
    let head = pagemap.folio(ofPage: UInt64(entry.page))
    let size = pagemap.size(ofPage: UInt64(head))
    let folio = Entry(place: entry.place, page: head, size: size)
    return extra(pagemap.counts(folio: head), in: pagemap) == (heldIn(folio, held) == nil ? 0 : 1)
  }

  /// `held`, if it is a page of that folio.
  private func heldIn(_ folio: Entry, _ held: Int?) -> Int? {
    guard let held, folio.place == .device,
      held >= folio.page, held < folio.page + Int(folio.size.pages)
    else { return nil }
    return held
  }
}
