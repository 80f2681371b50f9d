/// Something that happened to a window's page-table entries without a touch of its own.
public struct PageTableChange: Equatable, Sendable {
  public let process: Int
  /// Bytes; some of the pages may have had no entry.
  public let addresses: Range<UInt64>
  /// The entries go; otherwise they lose the right to write.
  public let isRemoval: Bool

  public init(process: Int, addresses: Range<UInt64>, isRemoval: Bool) {
    self.process = process
    self.addresses = addresses
    self.isRemoval = isRemoval
  }
}

extension FileMapping {
  /// `pages` ascend; a run of them is one change.
  func tell(_ pages: [UInt64], in index: Int) {
    guard changesPageTables != nil, var run = pages.first.map({ $0..<$0 }) else { return }
    for page in pages {
      if page != run.upperBound {
        tell(run, in: index, isRemoval: true)
        run = page..<page
      }
      run = run.lowerBound..<page + 1
    }
    tell(run, in: index, isRemoval: true)
  }

  func tell(_ pages: Range<UInt64>, in index: Int, isRemoval: Bool) {
    guard let changesPageTables else { return }
    let part = pages.clamped(to: windows[index].pages)
    guard !part.isEmpty, let first = windows[index].address(of: part.lowerBound) else { return }
    changesPageTables(
      PageTableChange(
        process: windows[index].process, addresses: first..<first + UInt64(part.count) << 12,
        isRemoval: isRemoval))
  }
}
