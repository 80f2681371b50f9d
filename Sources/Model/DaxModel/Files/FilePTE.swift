public import PmemBase

/// A page-table entry of a file mapping.
public struct FilePTE: Hashable, Sendable {
  public enum Target: Hashable, Sendable {
    /// The device's block of the entry's first page, 4 KiB units.
    case block(UInt64)
    /// The zero page, small or huge.
    case zero
    /// A private copy in ordinary memory: the number of its frame (`AnonymousFrames`).
    case anonymous(UInt64)
  }

  public let target: Target
  /// `.base` for a PTE, `.huge` for a PMD.
  public let size: PageSize
  public var isWritable: Bool
  public var isDirty: Bool

  public init(
    _ target: Target, _ size: PageSize, isWritable: Bool = false, isDirty: Bool = false
  ) {
    self.target = target
    self.size = size
    self.isWritable = isWritable
    self.isDirty = isDirty
  }

  /// Whether it shows a private copy.
  public var isCopy: Bool { if case .anonymous = target { true } else { false } }

  public var block: UInt64? {
    if case .block(let first) = target { first } else { nil }
  }
}
