public import PmemBase

/// What an inode's index holds at a page: the value of an XArray entry in `i_pages`, without its
/// lock bit.
///
/// Source: fs/dax.c, DAX_PMD, DAX_ZERO_PAGE, DAX_EMPTY (v6.1 to v7.3).
public struct DaxEntry: Hashable, Sendable {
  public enum Content: Hashable, Sendable {
    /// Nothing yet: it exists to be locked.
    case empty
    /// The shared zero page, small or huge: a hole that was read.
    case zero
    /// The device's block of the entry's first page, 4 KiB units.
    case block(UInt64)
  }

  public let content: Content
  /// `.base` or `.huge`; fs-dax has no larger entries.
  public let size: PageSize

  public init(_ content: Content, _ size: PageSize) {
    self.content = content
    self.size = size
  }

  /// The blocks it stands for; none for empty and zero.
  public var blocks: Range<UInt64>? {
    if case .block(let first) = content { first..<first + size.pages } else { nil }
  }

  var isReal: Bool { blocks != nil }
}

extension PageSize {
  /// `page` rounded down to what one entry of this size covers.
  func head(_ page: UInt64) -> UInt64 { page & ~(pages - 1) }

  /// The pages that an entry of this size at `page` covers.
  func span(_ page: UInt64) -> Range<UInt64> { head(page)..<head(page) + pages }
}
