internal import OwnerIndex

extension ExtentFS {
  /// Inodes in a 4 KiB block: 512 bytes each on XFS, 256 on ext4.
  var inodesPerBlock: UInt64 { format.kind == .xfs ? 8 : 16 }

  /// Blocks of an XFS inode chunk: 64 inodes.
  private var chunkBlocks: UInt64 { 8 }

  /// The metadata that mkfs puts down, each block with its owner.
  ///
  /// XFS: superblock and group headers are in one block, then the roots of the group's b-trees, the
  /// free list; the log in the middle. ext4: superblock, descriptors, bitmaps and inode table at
  /// the beginning of every group; the journal in the middle.
  func makeLayout() {
    var start: UInt64 = 0
    while start < blockCount {
      let end = min(blockCount, start + format.groupBlocks)
      switch format.kind {
      case .xfs: makeXFSGroup(start, end)
      case .ext4: makeExt4Group(start, end)
      }
      start += format.groupBlocks
    }
    let groups = (blockCount + format.groupBlocks - 1) / format.groupBlocks
    let middle = groups / 2 * format.groupBlocks
    if format.logBlocks > 0,
      let log = space.allocate(format.logBlocks, near: middle, alignment: 1)
    {
      index.add(.metadata(.log), to: log)
    }
  }

  private func makeXFSGroup(_ start: UInt64, _ end: UInt64) {
    var kinds: [BlockOwner.Metadata] = [
      .superblock, .freeSpace, .freeSpace, .inodeIndex, .inodeIndex,
    ]
    if format.hasReverseMap { kinds.append(.reverseMap) }
    if format.hasReflink { kinds.append(.refcounts) }
    kinds += [.freeSpace, .freeSpace, .freeSpace, .freeSpace]
    for (block, kind) in zip(start..<end, kinds) { claim(block..<block + 1, kind) }
    if start == 0 { addInodeChunk(near: 16) }
  }

  private func makeExt4Group(_ start: UInt64, _ end: UInt64) {
    let table = max(1, format.groupBlocks / 64)
    let kinds: [BlockOwner.Metadata] = [.superblock, .groupDescriptors, .freeSpace, .inodeIndex]
    for (block, kind) in zip(start..<end, kinds) { claim(block..<block + 1, kind) }
    let inodes = min(end, start + 4)..<min(end, start + 4 + table)
    claim(inodes, .inodes)
    if start == 0 {
      freeInodes = (11...UInt64(inodes.count) * inodesPerBlock).reversed()
    }
  }

  private func claim(_ blocks: Range<UInt64>, _ kind: BlockOwner.Metadata) {
    if blocks.isEmpty { return }
    space.take(blocks)
    index.add(.metadata(kind), to: blocks)
  }

  /// XFS takes room for 64 inodes when it has none left. An inode's number says where it is.
  @discardableResult
  func addInodeChunk(near goal: UInt64) -> Bool {
    guard
      let blocks = space.allocate(chunkBlocks, near: goal, alignment: chunkBlocks),
      UInt64(blocks.count) == chunkBlocks
    else { return false }
    index.add(.metadata(.inodes), to: blocks)
    let first = blocks.lowerBound * inodesPerBlock
    freeInodes.insert(contentsOf: (first..<first + 64).reversed(), at: 0)
    return true
  }

  func makeRoot() {
    switch format.kind {
    case .xfs:
      root = freeInodes.removeLast()
      // The realtime device's two inodes, which every XFS has.
      freeInodes.removeLast(2)
    case .ext4:
      root = 2
      freeInodes.removeLast()
    }
    let directory = Inode(root, .directory, ledger: ledger)
    directory.parent = root
    inodes[root] = directory
  }

  /// Where a file's first block is best: behind its inode.
  func goal(of inode: Inode) -> UInt64 {
    switch format.kind {
    case .xfs:
      (inode.number / inodesPerBlock / chunkBlocks + 1) * chunkBlocks
    case .ext4:
      4 + max(1, format.groupBlocks / 64)
    }
  }
}
