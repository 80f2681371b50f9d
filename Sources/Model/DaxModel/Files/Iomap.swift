/// What a filesystem says of a range of a file: the kernel's `struct iomap`, with what a copy needs
/// to know of the source (`srcmap`).
public struct Iomap: Equatable, Sendable {
  public enum Kind: Sendable {
    /// No block.
    case hole
    /// Blocks that read as zeroes.
    case unwritten
    case mapped
  }

  /// What a copy-on-write copies into the new blocks.
  public enum Source: Equatable, Sendable {
    /// Nothing is copied.
    case none
    /// The source was a hole or unwritten.
    case zeroes
    /// The block that holds the first page of `pages` now.
    case blocks(from: UInt64)
  }

  public var kind: Kind
  /// Pages of the file.
  public var pages: Range<UInt64>
  /// The device's block of the first page, 4 KiB units; of no meaning for a hole.
  public var block: UInt64
  /// IOMAP_F_SHARED: a read found blocks with several owners, or a write got new ones in their
  /// stead.
  public var isShared: Bool
  /// IOMAP_F_NEW: the blocks were allocated by this call.
  public var isNew: Bool
  /// IOMAP_F_DIRTY: what maps the blocks is not in the log yet.
  public var isDirty: Bool
  public var source: Source

  public init(
    _ kind: Kind, pages: Range<UInt64>, block: UInt64 = 0, isShared: Bool = false,
    isNew: Bool = false, isDirty: Bool = false, source: Source = .none
  ) {
    self.kind = kind
    self.pages = pages
    self.block = block
    self.isShared = isShared
    self.isNew = isNew
    self.isDirty = isDirty
    self.source = source
  }

  /// The block that holds a page in `pages`.
  public func block(of page: UInt64) -> UInt64 { block &+ (page &- pages.lowerBound) }
}
