public import PmemBase

/// One contiguous mapping of a device in an address space: a VMA.
public struct Window: Sendable {
  /// Addresses in the workload, bytes. After mremap() the ends may be off the device's alignment.
  public internal(set) var range: Range<UInt64>
  /// The device's index.
  public let device: Int
  public internal(set) var geometry: DeviceGeometry
  /// Bytes from the start of the device to what `range.lowerBound` shows.
  public internal(set) var offset: UInt64
  public internal(set) var protection: Protection
  public let access: AccessMode

  /// Rises with every entry into the device's interval tree: what two windows of the same offset are told apart by.
  var entered: UInt64 = 0
  var advice: Advice.Memory = []
  var presence: PresenceMap

  init(
    range: Range<UInt64>, device: Int, geometry: DeviceGeometry, offset: UInt64,
    protection: Protection, access: AccessMode
  ) {
    self.range = range
    self.device = device
    self.geometry = geometry
    self.offset = offset
    self.protection = protection
    self.access = access
    presence = PresenceMap(slots: Self.slots(range, geometry.alignment))
  }

  public var alignment: PageSize { geometry.alignment }

  /// Folios that have a page-table entry in this window.
  public var presentCount: Int { presence.count }

  /// Whether the folio that backs `address` has a page-table entry.
  public func isPresent(_ address: UInt64) -> Bool {
    range.contains(address) && presence.contains(address >> alignment.shift)
  }

  /// Addresses at which the folio has a page-table entry here: one or none.
  public func address(of folio: Int) -> UInt64? {
    let start = UInt64(folio) << alignment.shift
    guard start >= offset, start - offset < UInt64(range.count) else { return nil }
    let address = range.lowerBound + (start - offset)
    return isPresent(address) ? address : nil
  }

  /// The addresses of a slot that lie in the window.
  @inline(__always)
  func addresses(of slot: UInt64) -> Range<UInt64> {
    let start = slot << alignment.shift
    return max(start, range.lowerBound)..<min(start + alignment.bytes, range.upperBound)
  }

  /// The device offset of `address`, bytes.
  func offset(of address: UInt64) -> UInt64 { offset &+ (address - range.lowerBound) }

  /// Runs of folios that have a page-table entry in `part` of the window, whole or not.
  func released(in part: Range<UInt64>) -> [ReleasedRun] {
    presence.presentRuns(in: Self.slots(part, alignment)).map { run in
      let first = folio(of: run.lowerBound)
      return ReleasedRun(device: device, folios: first..<(first + run.count))
    }
  }

  /// The folio that slot shows. Only windows whose offset is aligned have a folio for a slot.
  @inline(__always)
  func folio(of slot: UInt64) -> Int {
    Int(truncatingIfNeeded: slot &- range.lowerBound >> alignment.shift)
      &+ Int(truncatingIfNeeded: offset >> alignment.shift)
  }

  /// Whether a touch can succeed anywhere in this window.
  ///
  /// `__check_vma` is repeated at every fault, so that unaligned ends (after mremap) fail every touch of a huge device.
  /// An offset off the alignment cannot be mapped by one huge entry; that this is SIGBUS is inferred: devdax-2m-api.scn
  /// maps such a window and does not touch it. MADV_NOHUGEPAGE turns a PMD fault into a PTE fault, which a huge device
  /// refuses (inferred from `dev_dax_huge_fault`, drivers/dax/device.c, v7.3).
  var isMappable: Bool {
    alignment == .base
      || (alignment.isAligned(offset) && alignment.isAligned(range.lowerBound)
        && alignment.isAligned(range.upperBound) && !advice.contains(.noHugePage))
  }

  /// Whether the device has folios for the window from its beginning to `end`, an address above that.
  func isBacked(upTo end: UInt64) -> Bool {
    let last = folio(of: (end - 1) >> alignment.shift)
    return UInt64(last) < geometry.folioCount
  }

  /// Whether the kernel would make one VMA of this and `next`.
  func merges(with next: Window) -> Bool {
    range.upperBound == next.range.lowerBound && device == next.device
      && geometry == next.geometry && protection == next.protection && access == next.access
      && advice == next.advice && offset &+ UInt64(range.count) == next.offset
  }

  /// Slots that `range` touches, the ones it cuts included.
  static func slots(_ range: Range<UInt64>, _ alignment: PageSize) -> Range<UInt64> {
    let first = range.lowerBound >> alignment.shift
    if range.isEmpty { return first..<first }
    return first..<((range.upperBound - 1) >> alignment.shift + 1)
  }
}
