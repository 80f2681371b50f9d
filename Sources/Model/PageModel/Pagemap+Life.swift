extension Pagemap {
  /// References that keep the memory map (G); from creation one for each folio, dropped in bulk by `kill`.
  public var references: UInt64 { reference.count }

  public var life: PagemapLife { reference.life }

  /// `get_dev_pagemap_many`: more references.
  ///
  /// - Returns: false, and nothing taken, once the pagemap was killed.
  public func getReference(_ count: UInt64 = 1) -> Bool { reference.get(count) }

  /// `put_dev_pagemap_many`. To put more than was taken is a precondition failure.
  public func putReference(_ count: UInt64 = 1) { reference.put(count) }

  /// Begins the end: no new reference, and the creation references are dropped. A second time changes nothing.
  ///
  /// From 5.18 on it waits for nobody: neither mappings nor pins hold a generic or fs-dax memory map. Before that each
  /// page in use keeps its own reference until it is put for the last time; nobody may use pages while this runs there.
  ///
  /// Source: `memunmap_pages`, mm/memremap.c (v5.10, v6.1, v7.3).
  public func kill() {
    guard regime.pagesHoldMemoryMap else { return reference.kill() }
    let used = (0..<folioCount).count { !isIdle(folio: $0) }
    reference.kill(keeping: UInt64(used))
  }
}
