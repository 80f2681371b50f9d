internal import PmemBase

/// A file's extents in order, none of which could be one with its neighbour.
struct ExtentMap {
  private(set) var extents: ContiguousArray<Extent> = []
  /// Pages that have blocks.
  private(set) var pageCount: UInt64 = 0
  /// Where something changed since this was last made nil.
  var touched: Range<UInt64>?

  var count: Int { extents.count }
  var isEmpty: Bool { extents.isEmpty }

  /// The extent that holds a page. Cost: O(log n).
  func extent(at page: UInt64) -> Extent? {
    let index = firstIndex(endingAfter: page)
    guard index < extents.count, extents[index].pages.lowerBound <= page else { return nil }
    return extents[index]
  }

  /// The first page above `page` that begins an extent, or `limit`.
  func endOfHole(from page: UInt64, limit: UInt64) -> UInt64 {
    let index = firstIndex(endingAfter: page)
    return index < extents.count ? min(limit, max(page, extents[index].pages.lowerBound)) : limit
  }

  /// The extents that touch `pages`, cut at its ends.
  func parts(in pages: Range<UInt64>) -> [Extent] {
    guard !pages.isEmpty else { return [] }
    var parts: [Extent] = []
    var index = firstIndex(endingAfter: pages.lowerBound)
    while index < extents.count, extents[index].pages.lowerBound < pages.upperBound {
      parts.append(extents[index].clamped(to: pages))
      index += 1
    }
    return parts
  }

  /// Enters an extent where there was none.
  mutating func insert(_ extent: Extent) {
    var extent = extent
    touch(extent.pages)
    pageCount += UInt64(extent.pages.count)
    var index = firstIndex(endingAfter: extent.pages.lowerBound)
    precondition(
      index == extents.count || extents[index].pages.lowerBound >= extent.pages.upperBound,
      "there is an extent in \(extent.pages) already")
    if index < extents.count, extent.continues(into: extents[index]) {
      extent.pages = extent.pages.lowerBound..<extents[index].pages.upperBound
      extents.remove(at: index)
    }
    if index > 0, extents[index - 1].continues(into: extent) {
      extent.block = extents[index - 1].block
      extent.pages = extents[index - 1].pages.lowerBound..<extent.pages.upperBound
      index -= 1
      extents[index] = extent
    } else {
      extents.insert(extent, at: index)
    }
  }

  /// Takes out what `pages` holds.
  mutating func remove(_ pages: Range<UInt64>) -> [Extent] {
    let removed = parts(in: pages)
    guard !removed.isEmpty else { return [] }
    for extent in removed {
      touch(extent.pages)
      pageCount -= UInt64(extent.pages.count)
    }
    let first = firstIndex(endingAfter: pages.lowerBound)
    var last = first
    while last < extents.count, extents[last].pages.lowerBound < pages.upperBound { last += 1 }
    var kept: [Extent] = []
    let head = extents[first]
    if head.pages.lowerBound < pages.lowerBound {
      kept.append(head.clamped(to: head.pages.lowerBound..<pages.lowerBound))
    }
    let tail = extents[last - 1]
    if tail.pages.upperBound > pages.upperBound {
      kept.append(tail.clamped(to: pages.upperBound..<tail.pages.upperBound))
    }
    extents.replaceSubrange(first..<last, with: kept)
    return removed
  }

  private mutating func touch(_ pages: Range<UInt64>) {
    guard let present = touched else {
      touched = pages
      return
    }
    touched =
      min(present.lowerBound, pages.lowerBound)..<max(present.upperBound, pages.upperBound)
  }

  private func firstIndex(endingAfter page: UInt64) -> Int {
    extents.partitioningIndex { $0.pages.upperBound > page }
  }
}
