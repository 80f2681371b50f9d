public import PmemBase

/// How a kernel counts the users of a device page: the one place where the regimes differ.
///
/// A value, so that a device can be told which one to follow. Read from source; no counter is visible to a program.
public struct RefcountRegime: Sendable, Equatable {
  /// References, and as many mapcounts, that one page-table entry of a file or a device holds on its folio.
  public let mappingReferences: UInt32
  /// Whether an entry is charged to the resident set (`PageSize.pages` for each).
  public let chargesResidentSet: Bool
  /// What the file's entry for a block holds, apart from any page table.
  public let entryHold: EntryHold
  /// When a file's blocks may be taken away.
  public let layout: LayoutRules
  /// Whether gup needs the pagemap to be live; it holds it for the time of the call only.
  public let gupAsksPagemap: Bool
  /// Whether each page holds the memory map until its refcount is 0, so that a pin delays the end.
  public let pagesHoldMemoryMap: Bool
  /// Whether device-private folios can be larger than a page.
  public let hasLargePrivateFolios: Bool

  private let idleGeneric: UInt32
  private let idleFsDax: UInt32
  private let idleDevicePrivate: UInt32

  /// What an entry in a file's index holds on behalf of all who map it.
  public enum EntryHold: Sendable {
    case nothing
    /// One pagemap reference for each page.
    case pagemap
    /// That, and one reference of each page that is not copy-on-write.
    case pages
    /// One reference of each folio that is not copy-on-write; the pagemap's follows a folio's first and last reference.
    case folios
  }

  /// What is done, and waited for, before a file's blocks are taken from it.
  public struct LayoutRules: Sendable, Equatable {
    public enum Busy: Sendable {
      /// A refcount above idle.
      case references
      /// A pin; plain references are not waited for.
      case pins
      /// A refcount above the mapcount, on the folio's head.
      case unmappedReferences
    }

    public enum Eviction: Sendable {
      case doesNotWait
      case waitsInterruptibly
      case waits
    }

    public let busy: Busy
    /// Whether a file that nobody maps is not looked at.
    public let needsWindows: Bool
    /// Whether an entry that a task has locked is waited for, or passed over.
    public let waitsForLockedEntries: Bool
    /// Whether every entry of the file is deleted when nobody is busy.
    public let deletesEntries: Bool
    /// Whether the end of an inode waits for its pages.
    public let eviction: Eviction
  }

  /// 6.15 and later: every entry holds one reference and one mapcount, one for a whole PMD or PUD.
  ///
  /// Source: `insert_page_into_pte_locked` (mm/memory.c), `insert_pmd` (mm/huge_memory.c),
  /// `__init_zone_device_page` (mm/mm_init.c), `dax_break_layout` (fs/dax.c), v7.3.
  public static let landed = RefcountRegime(
    entries: 1, hold: .nothing,
    layout: LayoutRules(
      busy: .unmappedReferences, needsWindows: false, waitsForLockedEntries: true,
      deletesEntries: true, eviction: .waits),
    generic: 1, fsDax: 0, devicePrivate: 0, hasLargePrivateFolios: true)

  /// 5.18 to 6.14: an entry has the devmap bit and moves no count; only gup does.
  ///
  /// Source: `vmf_insert_mixed` (mm/memory.c), `__init_zone_device_page`, v6.1 and v6.12.
  public static let legacy = RefcountRegime(
    entries: 0, hold: .nothing, layout: legacyLayout, generic: 1, fsDax: 1, devicePrivate: 0,
    gupAsksPagemap: true)

  /// Up to 5.17, from v5.10: as `legacy`, but idle is 1 for every type, and each page holds the memory map.
  ///
  /// Source: `memunmap_pages`, `free_devmap_managed_page`, mm/memremap.c (v5.10). The idle refcount of private pages is
  /// inferred from how they are put.
  public static let managed = RefcountRegime(
    entries: 0, hold: .nothing, layout: legacyLayout, generic: 1, fsDax: 1, devicePrivate: 1,
    gupAsksPagemap: true, pagesHoldMemoryMap: true)

  /// The 2022 proposal, version 1, never merged: entries hold the pagemap, and only pins are waited for.
  ///
  /// Source: "Fix the DAX-gup mistake", 2022-09-03: `dax_layout_pinned_page`, `wakeup_fsdax_pin_waiters`.
  public static let proposal1 = RefcountRegime(
    entries: 0, hold: .pagemap,
    layout: LayoutRules(
      busy: .pins, needsWindows: true, waitsForLockedEntries: false, deletesEntries: false,
      eviction: .doesNotWait),
    generic: 1, fsDax: 1, devicePrivate: 0)

  /// Version 2, 2022-09-15: entries hold a reference of each page too, until they are zapped. Idle is 0.
  ///
  /// Source: `dax_zap_mappings`, `dax_associate_entry` of that series. That a signal ends the wait at an inode's end is
  /// inferred: it is the filesystem's own break_layouts, called from `drop_inode`.
  public static let proposal2 = RefcountRegime(
    entries: 0, hold: .pages, layout: proposedLayout(.waitsInterruptibly), generic: 0, fsDax: 0,
    devicePrivate: 0)

  /// Version 3, 2022-10-14: by folio, and the pagemap's reference follows the folio's first and last one.
  ///
  /// Source: `pgmap_request_folio`, `dax_zap_mappings_range`, `dax_delete_mapping_entry` of that series.
  public static let proposal3 = RefcountRegime(
    entries: 0, hold: .folios, layout: proposedLayout(.waits), generic: 0, fsDax: 0,
    devicePrivate: 0)

  private static let legacyLayout = LayoutRules(
    busy: .references, needsWindows: true, waitsForLockedEntries: false, deletesEntries: false,
    eviction: .doesNotWait)

  private static func proposedLayout(_ eviction: LayoutRules.Eviction) -> LayoutRules {
    LayoutRules(
      busy: .references, needsWindows: false, waitsForLockedEntries: false,
      deletesEntries: false, eviction: eviction)
  }

  /// The regime of a measured kernel.
  public init(_ kernel: KernelBehavior) {
    switch kernel {
    case .v6_1, .v6_12: self = .legacy
    case .v7_2: self = .landed
    }
  }

  private init(
    entries: UInt32, hold: EntryHold, layout: LayoutRules, generic: UInt32, fsDax: UInt32,
    devicePrivate: UInt32, gupAsksPagemap: Bool = false, pagesHoldMemoryMap: Bool = false,
    hasLargePrivateFolios: Bool = false
  ) {
    mappingReferences = entries
    chargesResidentSet = entries > 0
    entryHold = hold
    self.layout = layout
    self.gupAsksPagemap = gupAsksPagemap
    self.pagesHoldMemoryMap = pagesHoldMemoryMap
    self.hasLargePrivateFolios = hasLargePrivateFolios
    idleGeneric = generic
    idleFsDax = fsDax
    idleDevicePrivate = devicePrivate
  }

  /// The refcount of a folio that nobody uses.
  public func idleRefcount(_ type: PagemapType) -> UInt32 {
    switch type {
    case .generic: idleGeneric
    case .fsDax: idleFsDax
    case .devicePrivate: idleDevicePrivate
    }
  }

  /// References, and mapcounts, that one page-table entry holds on a folio of that type. Device-private entries are not
  /// present, and have always been counted like ordinary ones.
  ///
  /// Source: `migrate_vma_insert_page`, mm/migrate_device.c (v6.1, v7.3).
  func entryCount(_ type: PagemapType) -> UInt32 {
    type == .devicePrivate ? 1 : mappingReferences
  }

  /// Pagemap references that creation takes, dropped in bulk at the end.
  ///
  /// Source: `memremap_pages`: `pfn_len >> vmemmap_shift`; fs-dax sets no shift. Private pages take theirs when they are
  /// first used (`zone_device_page_init`), but up to 5.17 at creation too. In versions 2 and 3 of the proposal those of
  /// fs-dax come with the entries (inferred: what creation took would hold nothing).
  func creationReferences(
    _ type: PagemapType, pageCount: UInt64, folioSize: PageSize
  ) -> UInt64 {
    switch type {
    case .generic: pageCount >> UInt64(folioSize.order)
    case .fsDax: entryHold == .pages || entryHold == .folios ? 0 : pageCount
    case .devicePrivate: pagesHoldMemoryMap ? pageCount : 0
    }
  }
}
