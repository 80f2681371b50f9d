internal import DaxModel
internal import ExtentFS
internal import Medium
public import MemoryFailure
public import OwnerIndex
public import PmemBase
internal import Synchronization
public import SystemPackage

/// Whose a block of the mount's medium is, and what its failure would do. Any thread; nothing is changed.
extension FilesystemMount {
  /// Everybody who owns a block, in the order of a reverse map; nobody owns a free one.
  ///
  /// - Throws: `.noSuchAddressOrDevice`: the medium has no such block.
  public func holdings(ofBlock block: UInt64) throws(Errno) -> [BlockHolding] {
    guard block < medium.size >> 12 else { throw .noSuchAddressOrDevice }
    return files.withLock { files in
      let filesystem = files.filesystem
      let owners = filesystem.owners(ofBlock: block)
      return owners.map { owner in
        let place = owner.filePage
        return BlockHolding(
          owner: owner, links: owner.inode.map { UInt32(clamping: filesystem.links(of: $0)) } ?? 0,
          isShared: owners.count > 1,
          isUnwritten: place.map { filesystem.isUnwritten($0.page, of: $0.inode) } ?? false)
      }
    }
  }

  /// A path of each inode that has one, from the mount's directory on. Only a look at each inode has the mount wait; names are walked
  /// afterwards, as they were then.
  public func paths(of inodes: Set<UInt64>) -> [UInt64: String] {
    let names = files.withLock { $0.filesystem.names }
    return names.paths(of: inodes)
  }

  /// What would become of a block that failed now.
  ///
  /// - Parameter kernel: Whose rules decide; nil: the mount's. Page tables and folios are as the mount's kernel has left them.
  public func prediction(
    block: UInt64, origin: FailureOrigin, kernel: KernelBehavior? = nil
  ) throws(Errno) -> FilePrediction {
    guard block < medium.size >> 12 else { throw .noSuchAddressOrDevice }
    return files.withLock { $0.prediction(block, origin, kernel: kernel) }
  }
}

/// What the failure of a block of a file, or of the filesystem itself, would do.
public enum FilePrediction: Sendable {
  case handled(KillPlan)
  /// EBUSY: no filesystem answers, and no file ever put the page into a page table.
  case ownerUnknown
  /// EFSCORRUPTED: metadata is lost; the plan is for files that own the block, too.
  case shutsDown(KillPlan)
  /// EIO: the filesystem has shut down, no owner can be found.
  case ioError
  /// The machine stops.
  case panic
}

extension MappedFiles {
  /// What `fail` would do, by the rules of a kernel; nothing is done.
  func prediction(
    _ block: UInt64, _ origin: FailureOrigin, kernel: KernelBehavior?
  ) -> FilePrediction {
    let kernel = kernel ?? filesystem.kernel
    let failure = FileFailure(
      block, of: filesystem, blockCount: medium.size >> 12, kernel: kernel)
    var plans: [KillPlan] = []
    for act in failure.acts {
      switch act {
      case .panic: return .panic
      case .kill(let mapping, let page):
        plans.append(plan(mapping, page, origin, kernel: kernel).plan)
      case .note, .flag, .shutDown: break
      }
    }
    switch failure.error {
    case Errno.resourceBusy?: return .ownerUnknown
    case Errno.corrupted?: return .shutsDown(KillPlan(merging: plans))
    case Errno.ioError?: return .ioError
    default: return .handled(KillPlan(merging: plans))
    }
  }
}
