/// The counts of one folio at one moment, as the kernel would hold them.
public struct PageCounts: Equatable, Sendable {
  /// `_refcount`, idle reference included.
  public let refcount: UInt32
  /// Page-table entries that name the folio.
  public let mapcount: UInt32
  /// `_pincount` of a compound folio; 0 at order 0, where a pin is 1024 of `refcount`.
  public let pincount: UInt32
  /// File mappings that reference the page (fs-dax, reflink).
  public let share: UInt32

  public init(refcount: UInt32, mapcount: UInt32, pincount: UInt32, share: UInt32) {
    self.refcount = refcount
    self.mapcount = mapcount
    self.pincount = pincount
    self.share = share
  }
}
