public import SystemPackage

/// mmap's rules for files on a DAX filesystem, as far as they are not those of every file.
public enum FileMapRules {
  public enum Sharing: Sendable {
    /// MAP_SHARED
    case shared
    /// MAP_SHARED_VALIDATE
    case sharedValidate
    /// MAP_PRIVATE
    case `private`
  }

  /// Whether the window is MAP_SYNC, if the flag is given (FT-23).
  ///
  /// Only MAP_SHARED_VALIDATE looks at it; the others drop it without a word.
  ///
  /// - Throws: EOPNOTSUPP for a file that is not DAX.
  ///
  /// Source: `do_mmap`, mm/mmap.c; `daxdev_mapping_supported`, include/linux/dax.h (v6.12).
  public static func isSynchronous(
    _ sharing: Sharing, hasFlag: Bool, isDax: Bool
  ) throws(Errno) -> Bool {
    guard hasFlag, sharing == .sharedValidate else { return false }
    guard isDax else { throw .notSupported }
    return true
  }
}
