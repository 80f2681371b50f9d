public import PmemBase

/// What a filesystem that is told of its device's failures makes of one block: XFS with rmapbt.
///
/// Source: `xfs_dax_notify_failure`, `xfs_dax_failure_fn`, fs/xfs/xfs_notify_failure.c (v6.1, v6.12, v7.3).
public struct HolderFailure: Equatable, Sendable {
  /// Files whose mappings of a page are to be dealt with, each on its own, in the order of the reverse map.
  public let files: [(inode: UInt64, page: UInt64)]
  /// The filesystem shuts down, and the report fails with EFSCORRUPTED.
  public let shutsDown: Bool

  /// - Parameter everyone: The device is being removed: metadata is no reason to shut down.
  public init(owners: [OwnerRecord], kernel: KernelBehavior, everyone: Bool = false) {
    var files: [(inode: UInt64, page: UInt64)] = []
    var shutsDown = false
    records: for owner in owners {
      switch owner {
      case .metadata:
        if !everyone { shutsDown = true }
      case .file(_, _, isInCore: false, _):
        // Nobody can have it mapped.
        continue
      case .file(_, _, _, isDax: false):
        if kernel.refusedFileEndsQuery {
          shutsDown = true
          break records
        }
      case .file(let inode, let page, _, _):
        files.append((inode, page))
      }
    }
    self.files = files
    self.shutsDown = shutsDown
  }

  public static func == (left: Self, right: Self) -> Bool {
    left.shutsDown == right.shutsDown && left.files.elementsEqual(right.files, by: ==)
  }
}
