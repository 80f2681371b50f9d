public import PmemBase

/// Who a device page says it belongs to: `mapping` and `index` or `share` of its folio.
public struct FolioOwner: Hashable, Sendable {
  public enum Mapping: Hashable, Sendable {
    /// NULL.
    case none
    /// The address space of this inode.
    case file(UInt64)
    /// PAGE_MAPPING_DAX_SHARED, in 6.1 PAGE_MAPPING_DAX_COW: the legacy kernels' mark.
    case shared
  }

  public var mapping: Mapping
  /// `index` while a file owns the folio, the share count otherwise: one word in the kernel.
  public var word: UInt64
  /// Of the folio; legacy kernels have small ones only.
  public var size: PageSize

  public init(mapping: Mapping, word: UInt64, size: PageSize) {
    self.mapping = mapping
    self.word = word
    self.size = size
  }

  static let nobody = FolioOwner(mapping: .none, word: 0, size: .base)

  /// Whether it is known that several files use the folio.
  public var isShared: Bool {
    switch mapping {
    case .none: word != 0
    case .file: false
    case .shared: true
    }
  }

  /// Files that use the folio, where they are counted.
  public var share: UInt64 { isShared ? word : 0 }

  /// The one owner that the folio itself can name.
  public var file: (inode: UInt64, page: UInt64)? {
    if case .file(let inode) = mapping { (inode, word) } else { nil }
  }
}
