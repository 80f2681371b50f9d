/// A WARN that the kernel would print: something that its authors hold impossible, or call a bug.
public enum DaxWarning: Hashable, Sendable {
  /// A page is given to a file while another one still owns it.
  case ownedByAnother(block: UInt64)
  /// A file lets go of a page that says another file owns it.
  case notTheOwner(block: UInt64)
  /// A shared folio has no share count.
  case shareCountLost(block: UInt64)
  /// Entries of different sizes share a folio (OW-12).
  case sizesDiffer(block: UInt64)
  /// A page in use loses its file: truncate or eviction did not wait (BL-09).
  case truncatedInUse(block: UInt64)
  /// A folio is built or taken apart while somebody uses it.
  case reshapedInUse(block: UInt64)
  /// The proposal's zap gives back a reference that a copy-on-write entry never took (inferred).
  case neverHeld(block: UInt64)
  /// Truncation met an entry that layout breaking should have removed (BL-11).
  case entryAtTruncate(page: UInt64)
}
