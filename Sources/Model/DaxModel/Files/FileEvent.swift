/// What happens inside a file mapping, for whoever watches: a simulator, a trace, a test.
public enum FileEvent: Equatable, Sendable {
  /// Page-table entries of these pages were removed from every window.
  case unmapped(Range<UInt64>)
  /// Tasks that waited for an entry go on.
  case woken([UInt64])
  /// A folio became idle, which wakes who waits for its page.
  case idle(block: UInt64)
  /// CPU caches were written back for these pages.
  case flushed(Range<UInt64>)
  /// A huge fault fell back to small ones.
  case fellBack(page: UInt64)
  /// A store by a device was told to a DAX page, which does not note it.
  case dirtIgnored(block: UInt64)
  case warning(DaxWarning)
}
