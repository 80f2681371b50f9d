public import PmemBase

/// What faults on DAX files do differently from kernel to kernel.
extension KernelBehavior {
  /// Whether an entry counts as one of several owners' after a read of a shared block too; before, only after copy-on-write.
  ///
  /// Source: `dax_insert_entry`, fs/dax.c: `cow` (v6.1), `shared` (v6.12, v7.3); OW-14.
  var readsShareEntries: Bool { self != .v6_1 }

  /// Whether a read makes its entry dirty, as long as the mapping is not MAP_SYNC; later only a write does.
  ///
  /// Source: `dirty` in `dax_insert_entry`, fs/dax.c (v6.1); `write && !dax_fault_is_synchronous` (v6.12, v7.3).
  var readsDirtyEntries: Bool { self == .v6_1 }

  /// Whether a copy-on-write by write(2) takes the old blocks out of everybody's page table.
  ///
  /// Source: `dax_iomap_iter`, fs/dax.c: `iomap->flags & IOMAP_F_NEW` (v6.1), `|| cow` (v6.12, v7.3).
  public var copiesAreForgotten: Bool { self != .v6_1 }

  /// Whether ext4's hole punch behind the file's end breaks layouts before it finds nothing to do.
  ///
  /// Source: `ext4_punch_hole`, fs/ext4/inode.c (v6.1, v6.12).
  public var punchBehindEndBreaksLayouts: Bool { self != .v6_1 }

  /// Whether MADV_POPULATE_* goes on behind a hole, to say ENOMEM in the end.
  ///
  /// Source: `madvise_walk_vmas` over `madvise_populate`, mm/madvise.c (v6.1); `madvise_populate` by itself (v6.12, v7.3);
  /// devdax-populate-hole.scn.
  public var populatesBehindHoles: Bool { self == .v6_1 }
}
