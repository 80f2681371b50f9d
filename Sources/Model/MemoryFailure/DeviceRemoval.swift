public import DaxModel
public import ExtentFS
internal import OwnerIndex
public import PmemBase

/// What becomes of a mounted filesystem whose device's driver is unbound: nobody asks whether it is in use.
///
/// A decision only: whoever carries it out does `acts` in their order.
///
/// Source: `kill_dax`, `dax_holder_notify_failure`, drivers/dax/super.c; `xfs_dax_notify_failure`, fs/xfs/xfs_notify_failure.c (v6.1, v6.12, v7.3);
/// `fs_bdev_mark_dead`, fs/super.c (v6.12); MF-33; oracle `xfs-unbind-mounted`, `xfs-unbind-early`, `xfs-shutdown-unbind`, `ext4-unbind-mounted`.
public struct DeviceRemoval {
  public enum Act {
    /// What was found, by which function: for people.
    case note(function: String, String)
    /// Each page of the file that has an entry fails, one after the other: ``DeviceRemoval/failures(of:pages:in:)``.
    case fail(inode: UInt64, pages: Range<UInt64>)
    /// The file's pages leave every page table, whether anybody was told or not.
    case unmap(FileMapping, pages: Range<UInt64>)
    case shutDown(ShutdownReason)
  }

  public private(set) var acts: [Act] = []
  /// Whoever maps a page is told, not only who would be of a failure (MF_MEM_PRE_REMOVE).
  public let tellsEveryone: Bool
  /// Page tables go on showing pages whose descriptors are gone; at the latest unmounting stops the machine.
  public private(set) var leavesEntries: Bool

  /// 6.1 has no word for a removal: there the whole device fails.
  public init(of filesystem: ExtentFS, kernel: KernelBehavior) {
    tellsEveryone = kernel.removalIsAnnounced
    leavesEntries = !kernel.removalIsAnnounced
    var volume = HolderNotice.Volume(
      blocks: 0..<filesystem.blockCount, groupBlocks: filesystem.format.groupBlocks)
    volume.hasReverseMap = filesystem.format.hasReverseMap
    volume.isShutDown = filesystem.isShutDown
    let answer =
      filesystem.isHolder
      ? HolderNotice(volume.blocks, on: volume, kernel: kernel, isRemoval: tellsEveryone)
      : .declined
    switch answer {
    case .unreadable:
      note("xfs_trans_read_buf_map", "the filesystem has shut down, no owner can be found")
    case .query(let groups):
      for group in groups {
        guard failOwners(of: filesystem, in: group, kernel) else { break }
      }
      note("xfs_dax_notify_failure", "the device goes: the filesystem is shut down")
      acts.append(.shutDown(tellsEveryone ? .forcedUnmount : .corruptOnDisk))
    case .declined, .notBorn, .outside, .ignored, .logLost:
      note("fs_bdev_mark_dead", "no filesystem is told of the device's failures: it is shut down")
      leavesEntries = true
      acts.append(.shutDown(.forcedUnmount))
    }
  }

  /// - Returns: `false` where the query ends.
  private mutating func failOwners(
    of filesystem: ExtentFS, in group: Range<UInt64>, _ kernel: KernelBehavior
  ) -> Bool {
    for run in filesystem.owners(in: group) {
      for owner in run.owners {
        guard let (inode, first) = owner.filePage, filesystem.isInCore(inode) else { continue }
        guard filesystem.isDax(inode) else {
          if kernel.refusedFileEndsQuery { return false }
          continue
        }
        guard let mapping = filesystem.openMapping(of: inode) else { continue }
        let pages = first..<first + UInt64(run.blocks.count)
        acts.append(.fail(inode: inode, pages: pages))
        if tellsEveryone { acts.append(.unmap(mapping, pages: pages)) }
      }
    }
    return true
  }

  /// `mf_dax_kill_procs` for each page of an act.
  public func failures(
    of inode: UInt64, pages: Range<UInt64>, in filesystem: ExtentFS
  ) -> some Sequence<FileFailure> {
    let mapping = filesystem.openMapping(of: inode)
    return pages.lazy.filter { mapping?.entries[$0]?.blocks != nil }.map {
      FileFailure(page: $0, of: inode, filesystem, everyone: tellsEveryone)
    }
  }

  private mutating func note(_ function: String, _ text: String) {
    acts.append(.note(function: function, text))
  }
}
