internal import DaxModel
internal import PageModel
internal import PmemBase

/// A device-dax device of the machine.
struct SimulatedDevice: Sendable {
  enum State: Sendable {
    case bound
    /// The driver is gone, the node is still there.
    case unbound
    /// The namespace is disabled.
    case gone
  }

  let name: String
  /// Of the region and the namespace.
  let region: Int
  let geometry: DeviceGeometry
  var state = State.bound
  let pagemap: Pagemap
  /// Folios that have a `mapping`: some process has had them in a page table since the driver was bound.
  private(set) var owned: FolioSet

  init(name: String, region: Int, geometry: DeviceGeometry, kernel: KernelBehavior) {
    self.name = name
    self.region = region
    self.geometry = geometry
    pagemap = Pagemap(
      type: .generic, pageCount: geometry.size >> PageSize.base.shift,
      folioSize: geometry.alignment, regime: RefcountRegime(kernel))
    owned = FolioSet(count: Int(geometry.folioCount))
  }

  /// Page-table entries for the folios: counted, and the folios have an owner from now on.
  mutating func map(_ folios: Range<Int>) {
    pagemap.map(folios: folios)
    owned.insert(folios)
  }
}

/// Some folios of a device: one bit each.
struct FolioSet: Sendable {
  private var words: [UInt64]

  init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

  func contains(_ folio: Int) -> Bool {
    folio >= 0 && folio >> 6 < words.count && words[folio >> 6] & 1 << UInt64(folio & 63) != 0
  }

  mutating func insert(_ folios: Range<Int>) {
    for folio in folios { words[folio >> 6] |= 1 << UInt64(folio & 63) }
  }
}
