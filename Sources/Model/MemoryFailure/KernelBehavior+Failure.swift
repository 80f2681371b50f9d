public import PmemBase

extension KernelBehavior {
  /// Whether an entry for anything counts as one for the page: since the devmap bit went, a private copy in the page's
  /// place does too.
  ///
  /// Source: `dev_pagemap_mapping_shift`, mm/memory-failure.c (v6.12, v7.3); oracle `xfs-private-cow-hwp`.
  public var failureCountsEveryEntry: Bool { self == .v7_2 }

  /// Whether madvise(MADV_HWPOISON) of ordinary memory is action required for the caller: since 6.1 it is not asked for.
  ///
  /// Source: oracle `xfs-private-cow-madv`.
  public var adviceRequiresAction: Bool { self != .v6_1 }

  /// Whether the holder is told before its device is removed, and everyone who maps a file of it (MF-33).
  public var removalIsAnnounced: Bool { self != .v6_1 }

  /// Whether XFS takes a file that is not DAX for a failure of its query, and shuts down (bug B7).
  ///
  /// Source: `xfs_dax_failure_fn`, fs/xfs/xfs_notify_failure.c (v6.1, v6.12).
  public var refusedFileEndsQuery: Bool { self == .v6_1 }

  /// Whether a failure of an external log device is asked for its range before the log is given up.
  ///
  /// Source: `xfs_dax_notify_logdev_failure` (v6.12, v7.3); in `xfs_dax_notify_failure` (v6.1) nothing is asked.
  public var logFailureHasRange: Bool { self != .v6_1 }

  /// Whether XFS asks its reverse map for pages of a realtime device.
  ///
  /// Source: `xfs_dax_notify_failure` (v7.3); before, `-EOPNOTSUPP` for any device but the data device and the log.
  public var realtimeIsQueried: Bool { self == .v7_2 }

  /// Whether XFS looks whether the range is on the device before it looks whether it has a reverse map.
  ///
  /// Source: `xfs_dax_translate_range` and its caller (v7.3); the other way round in v6.1 and v6.12.
  public var rangeIsTranslatedFirst: Bool { self == .v7_2 }

  /// Whether the generic handler takes the mark of a shared page for a pointer, and the machine stops.
  ///
  /// Source: `dax_lock_page`, `dax_lock_folio`, fs/dax.c (v6.1, v6.12): `page->mapping` is PAGE_MAPPING_DAX_SHARED.
  public var sharedFolioIsOops: Bool { self != .v7_2 }

  /// Whether /proc/PID/pagemap looks at the page descriptor of what an entry maps, gone or not.
  ///
  /// Source: `pagemap_pte_range`, fs/proc/task_mmu.c (v7.3); oracle `xfs-unbind-mounted`.
  public var pagemapReadsDescriptors: Bool { self == .v7_2 }
}
