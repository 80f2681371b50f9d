/// Where a file's pages are, for whoever maps many at once.
extension ExtentFS {
  /// Blocks next to each other, written or not, that hold the pages around one; at most 64 extents. Nil for a hole.
  public func stretch(of number: UInt64, around page: UInt64) -> Extent? {
    guard let extents = inodes[number]?.extents, var found = extents.extent(at: page) else {
      return nil
    }
    for _ in 0..<64 {
      if found.pages.lowerBound > 0, let before = extents.extent(at: found.pages.lowerBound - 1),
        before.blocks.upperBound == found.block
      {
        found = Extent(
          pages: before.pages.lowerBound..<found.pages.upperBound, block: before.block)
      } else if let after = extents.extent(at: found.pages.upperBound),
        after.block == found.blocks.upperBound
      {
        found.pages = found.pages.lowerBound..<after.pages.upperBound
      } else {
        break
      }
    }
    return found
  }

  /// The pages around one that hold nothing: a hole, or blocks that were never written.
  ///
  /// - Parameter limit: Where a hole that has no end ends.
  public func emptiness(of number: UInt64, around page: UInt64, limit: UInt64) -> Range<UInt64> {
    guard let extents = inodes[number]?.extents else { return page..<page + 1 }
    if let extent = extents.extent(at: page) {
      return extent.isUnwritten ? extent.pages : page..<page + 1
    }
    return page..<max(page + 1, extents.endOfHole(from: page, limit: limit))
  }
}
