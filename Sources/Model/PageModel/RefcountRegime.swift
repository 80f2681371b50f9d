public import PmemBase

/// How a kernel counts the users of a device page: the one place where the regimes differ.
///
/// A value, so that a device can be told which one to follow.
public struct RefcountRegime: Sendable, Equatable {
  /// References that one page-table entry holds on its folio.
  public let mappingReferences: UInt32
  /// Mapcounts that one page-table entry holds on its folio.
  public let mappingMapcount: UInt32
  /// Whether an entry is charged to the resident set (`PageSize.pages` for each).
  public let chargesResidentSet: Bool

  private let idleGeneric: UInt32
  private let idleFsDax: UInt32
  private let idleDevicePrivate: UInt32

  /// 6.15 and later: every entry holds one reference and one mapcount, one for a whole PMD or PUD.
  ///
  /// Source: `insert_page_into_pte_locked` (mm/memory.c), `insert_pmd` (mm/huge_memory.c),
  /// `__init_zone_device_page` (mm/mm_init.c), v7.3.
  public static let landed = RefcountRegime(
    mappingReferences: 1, mappingMapcount: 1, chargesResidentSet: true,
    idleGeneric: 1, idleFsDax: 0, idleDevicePrivate: 0)

  /// 5.18 to 6.14: an entry has the devmap bit and moves no count; only gup does.
  ///
  /// Source: `vmf_insert_mixed` (mm/memory.c), `__init_zone_device_page`, v6.1 and v6.12.
  public static let legacy = RefcountRegime(
    mappingReferences: 0, mappingMapcount: 0, chargesResidentSet: false,
    idleGeneric: 1, idleFsDax: 1, idleDevicePrivate: 0)

  /// The regime of a measured kernel.
  public init(_ kernel: KernelBehavior) {
    switch kernel {
    case .v6_1, .v6_12: self = .legacy
    case .v7_2: self = .landed
    }
  }

  private init(
    mappingReferences: UInt32, mappingMapcount: UInt32, chargesResidentSet: Bool,
    idleGeneric: UInt32, idleFsDax: UInt32, idleDevicePrivate: UInt32
  ) {
    self.mappingReferences = mappingReferences
    self.mappingMapcount = mappingMapcount
    self.chargesResidentSet = chargesResidentSet
    self.idleGeneric = idleGeneric
    self.idleFsDax = idleFsDax
    self.idleDevicePrivate = idleDevicePrivate
  }

  /// The refcount of a folio that nobody uses.
  public func idleRefcount(_ type: PagemapType) -> UInt32 {
    switch type {
    case .generic: idleGeneric
    case .fsDax: idleFsDax
    case .devicePrivate: idleDevicePrivate
    }
  }
}
