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
}
