/// Blocks next to each other that hold pages of a file next to each other.
public struct Extent: Hashable, Sendable {
  /// Pages of the file.
  public var pages: Range<UInt64>
  /// The device's block of the first page, 4 KiB units.
  public var block: UInt64
  /// Allocated, and reads as zeroes.
  public var isUnwritten: Bool

  public init(pages: Range<UInt64>, block: UInt64, isUnwritten: Bool = false) {
    self.pages = pages
    self.block = block
    self.isUnwritten = isUnwritten
  }

  public var blocks: Range<UInt64> { block..<block + UInt64(pages.count) }

  public func block(of page: UInt64) -> UInt64 { block + (page - pages.lowerBound) }

  func clamped(to range: Range<UInt64>) -> Extent {
    let part = pages.clamped(to: range)
    return Extent(pages: part, block: block(of: part.lowerBound), isUnwritten: isUnwritten)
  }

  func continues(into next: Extent) -> Bool {
    pages.upperBound == next.pages.lowerBound && blocks.upperBound == next.block
      && isUnwritten == next.isUnwritten
  }
}

/// What FIEMAP lists.
public struct ListedExtent: Hashable, Sendable {
  public let pages: Range<UInt64>
  public let block: UInt64
  public let isUnwritten: Bool
  /// Some other file, or the same at another place, has the blocks too.
  public let isShared: Bool

  public init(
    pages: Range<UInt64>, block: UInt64, isUnwritten: Bool = false, isShared: Bool = false
  ) {
    self.pages = pages
    self.block = block
    self.isUnwritten = isUnwritten
    self.isShared = isShared
  }
}
