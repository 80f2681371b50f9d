public import SystemPackage

/// What a caller of gup (`get_user_pages`, `pin_user_pages`) wants of a page.
public struct GupRequest: Hashable, Sendable {
  /// FOLL_WRITE
  public var isWrite: Bool
  /// FOLL_PIN: the page's data will be read or written, not only its descriptor.
  public var isPin: Bool
  /// FOLL_LONGTERM: for as long as user space likes.
  public var isLongterm: Bool

  public init(isWrite: Bool = false, isPin: Bool = false, isLongterm: Bool = false) {
    self.isWrite = isWrite
    self.isPin = isPin
    self.isLongterm = isLongterm
  }

  /// Plain reference, for reading.
  public static let get = GupRequest()
  /// A pin for a device that writes.
  public static let pin = GupRequest(isWrite: true, isPin: true)

  /// What the kind of mapping refuses before any page is looked at.
  ///
  /// A filesystem must be able to wait for its blocks; a character device has none to take back.
  ///
  /// - Throws: EOPNOTSUPP.
  ///
  /// Source: `check_vma_flags`, mm/gup.c; `vma_is_fsdax`, include/linux/fs.h (v6.1 to v7.3).
  public func check(isFsDax: Bool) throws(Errno) {
    if isLongterm, isFsDax { throw .notSupported }
  }
}

/// A reference or a pin that gup took.
public struct FolioUse: Hashable, Sendable {
  /// Index in the pagemap.
  public let folio: Int
  public let isPin: Bool
}

/// What gup of a file mapping came to.
public enum FileGup: Equatable, Sendable {
  case taken(FolioUse)
  /// A page of ordinary memory, the zero page or a private copy: no count of the device moves.
  case ordinary
  /// The fault that gup made waits for an entry.
  case waits(page: UInt64)
  /// EFAULT, EOPNOTSUPP; ENOMEM for a mapped page with a refcount of 0 (`try_grab_folio` warns).
  case refused(Errno)
}
