/// What the entry of a file's index holds: the 2022 proposal's idea. In the other regimes these change nothing.
extension Pagemap {
  /// An entry for these pages is made: `dax_associate_entry`.
  ///
  /// - Parameter isCopied: Whether it is a copy-on-write entry.
  /// - Returns: false, and nothing taken, once the pagemap was killed: SIGBUS.
  public func holdEntry(_ pages: Range<Int>, isCopied: Bool) -> Bool {
    switch regime.entryHold {
    case .nothing: return true
    case .pagemap: return reference.get(UInt64(pages.count))
    case .pages:
      if isCopied { return true }
      guard reference.get(UInt64(pages.count)) else { return false }
      for page in pages { get(folio: page) }
      return true
    case .folios:
      if isCopied { return true }
      for page in pages {
        let isFirst = isIdle(folio: page)
        if isFirst, !reference.get() {
          for taken in pages.lowerBound..<page { put(folio: taken) }
          return false
        }
        get(folio: page)
      }
      return true
    }
  }

  /// The file is about to lose the blocks, for the first time since the entry was made: `dax_zap_pages`.
  ///
  /// - Returns: Pages that nobody uses now, and whose sleepers are woken.
  public func zapEntry(_ pages: Range<Int>) -> [Int] {
    switch regime.entryHold {
    case .nothing, .pagemap: []
    case .pages, .folios: pages.filter { put(folio: $0) == .wakes }
    }
  }

  /// The entry goes: `dax_disassociate_entry`.
  ///
  /// What an entry holds of its pages is given back by `zapEntry` alone; one that is replaced keeps it for ever
  /// (inferred: nothing in the series gives it back).
  ///
  /// - Parameter isTruncated: Whether the file loses the block; false if another entry takes the place.
  public func dropEntry(_ pages: Range<Int>, isCopied: Bool, isTruncated: Bool) {
    switch regime.entryHold {
    case .nothing, .folios: break
    case .pagemap: reference.put(UInt64(pages.count))
    case .pages: if isTruncated, !isCopied { reference.put(UInt64(pages.count)) }
    }
  }
}
