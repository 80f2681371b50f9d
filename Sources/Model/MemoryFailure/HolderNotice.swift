public import PmemBase

/// What XFS answers to a report of a failure, before any owner is looked up.
///
/// Source: `xfs_dax_notify_failure`, `xfs_dax_translate_range`, `xfs_dax_notify_logdev_failure`,
/// fs/xfs/xfs_notify_failure.c (v6.1, v6.12, v7.3).
public enum HolderNotice: Equatable, Sendable {
  /// The mount is not complete: EIO.
  case notBorn
  /// Nothing of the failure lies in the filesystem: ENXIO.
  case outside
  /// It cannot say whose the blocks are: EOPNOTSUPP, the generic handler goes on.
  case declined
  /// The log of a device that is removed: nothing to do.
  case ignored
  /// The log is damaged: shutdown, EFSCORRUPTED.
  case logLost
  /// The filesystem has shut down and reads no metadata any more, so nobody is found: EIO.
  ///
  /// Source: `xfs_alloc_read_agf`, `xfs_trans_read_buf_map` (v6.1, v6.12, v7.3); oracle `xfs-shutdown-madv`.
  case unreadable
  /// The owners of these blocks are asked for, one group after the other.
  case query([Range<UInt64>])

  /// What the filesystem uses the device for.
  public enum Part: Sendable {
    case data
    case externalLog
    case realtime
  }

  /// The filesystem, as far as the answer depends on it. Blocks are 4 KiB.
  public struct Volume: Sendable {
    public var isBorn = true
    public var part = Part.data
    /// What of the device is the filesystem's.
    public var blocks: Range<UInt64>
    public var groupBlocks: UInt64
    public var hasReverseMap = true
    public var isShutDown = false

    public init(blocks: Range<UInt64>, groupBlocks: UInt64) {
      self.blocks = blocks
      self.groupBlocks = max(1, groupBlocks)
    }
  }

  /// - Parameters:
  ///   - blocks: What failed, of the device.
  ///   - isRemoval: The device is about to go (MF_MEM_PRE_REMOVE).
  public init(
    _ blocks: Range<UInt64>, on volume: Volume, kernel: KernelBehavior, isRemoval: Bool = false
  ) {
    let inside = blocks.clamped(to: volume.blocks)
    let isOutside = inside.isEmpty
    guard volume.isBorn else {
      self = .notBorn
      return
    }
    switch volume.part {
    case .externalLog:
      if kernel.logFailureHasRange, isOutside {
        self = .outside
      } else {
        self = isRemoval ? .ignored : .logLost
      }
      return
    case .realtime where !kernel.realtimeIsQueried:
      self = .declined
      return
    case .data, .realtime: break
    }
    if !volume.hasReverseMap {
      self = kernel.rangeIsTranslatedFirst && isOutside ? .outside : .declined
      return
    }
    guard !isOutside else {
      self = .outside
      return
    }
    self = volume.isShutDown ? .unreadable : .query(Self.groups(of: inside, volume))
  }

  private static func groups(
    of blocks: Range<UInt64>, _ volume: Volume
  ) -> [Range<UInt64>] {
    var parts: [Range<UInt64>] = []
    var start = blocks.lowerBound
    while start < blocks.upperBound {
      let group = (start - volume.blocks.lowerBound) / volume.groupBlocks
      let end = volume.blocks.lowerBound + (group + 1) * volume.groupBlocks
      parts.append(start..<min(end, blocks.upperBound))
      start = end
    }
    return parts
  }
}
