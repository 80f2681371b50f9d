/// How far a pagemap is from its end.
///
/// Source: `memunmap_pages`, mm/memremap.c (v6.1, v7.3): kill, drop the creation references, wait for the rest.
public enum PagemapLife: Sendable {
  /// New references can be taken.
  case live
  /// Killed: no new reference, but some are still held.
  case dying
  /// Killed, and the last reference is back: the memory map may go.
  case dead
}
