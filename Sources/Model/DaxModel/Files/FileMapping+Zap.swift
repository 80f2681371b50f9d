internal import PageModel
internal import PmemBase

extension FileMapping {
  /// Takes small entries of one window away, in one batch.
  func zapSmall(_ pages: [UInt64], in index: Int) {
    if pages.isEmpty { return }
    let pages = pages.sorted()
    tell(pages, in: index)
    let gone = pages.map { ($0, windows[index].base[$0]!) }
    run(ZapSequence(small: gone.map { zapEntry($0.0, $0.1) }, ZapOrder(kernel)), on: gone) {
      windows[index].base[$0] = nil
    }
    for case .anonymous(let frame) in gone.map(\.1.target) { frames.unmap(frame) }
  }

  /// Takes a huge entry of one window away, whatever part of it was asked for.
  func zapHuge(_ head: UInt64, isCut: Bool, in index: Int) {
    tell(PageSize.huge.span(head), in: index, isRemoval: true)
    let gone = [(head, windows[index].huge[head]!)]
    let entry = zapEntry(head, gone[0].1)
    run(isCut ? ZapSequence(cut: entry) : ZapSequence(huge: entry), on: gone) {
      windows[index].huge[$0] = nil
    }
  }

  /// A reference was given back: tells who slept until nobody used the folio.
  func settle(_ release: Pagemap.Release, folio: Int) {
    guard release == .wakes else { return }
    observe?(.idle(block: UInt64(folio)))
    wake(folios.sleepers.wake(folio: folio))
  }

  /// The folio that holds a block, as an index into the pagemap.
  func folio(of block: UInt64) -> Int { Int(folios.head(of: block)) }

  // MARK: Private

  /// Of the device's counts only: private copies are ordinary memory.
  private func zapEntry(_ page: UInt64, _ entry: FilePTE) -> ZapSequence.Entry {
    ZapSequence.Entry(
      page: page, isDirty: entry.isDirty,
      hasPage: entry.block != nil && pagemap.regime.mappingReferences > 0)
  }

  private func run(
    _ sequence: ZapSequence, on entries: [(page: UInt64, entry: FilePTE)],
    clear: (UInt64) -> Void
  ) {
    var folio: [UInt64: Int] = [:]
    for (page, entry) in entries {
      if let block = entry.block { folio[page] = self.folio(of: block) }
    }
    for step in sequence {
      switch step {
      case .clear(let page): clear(page)
      case .removeRmap(let page): pagemap.removeRmap(folio: folio[page]!)
      case .put(let page): settle(pagemap.put(folio: folio[page]!), folio: folio[page]!)
      case .markDirty, .flush, .unlock, .setClean: break
      }
      trace?(step)
    }
  }
}

extension Range<UInt64> {
  func contains(_ other: Range<UInt64>) -> Bool {
    lowerBound <= other.lowerBound && other.upperBound <= upperBound
  }
}
