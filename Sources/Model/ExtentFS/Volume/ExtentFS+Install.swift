internal import OwnerIndex

extension ExtentFS {
  /// Blocks that mkfs puts down and that no file ever has, nor an inode that comes later: ext4's tables are there from the beginning.
  var fixedRuns: [OwnerRun] {
    index.runs(in: 0..<blockCount).filter { run in
      run.owners.contains {
        if case .metadata(let kind) = $0 { kind != .inodes || !hasChunks } else { false }
      }
    }
  }

  /// XFS takes room for inodes as it goes.
  var hasChunks: Bool { format.kind == .xfs }

  var logRegion: Range<UInt64>? {
    fixedRuns.first { $0.owners == [.metadata(.log)] }?.blocks
  }

  /// Makes the inodes of a table those of this fresh filesystem; owners and free space follow from them.
  ///
  /// The table must have no problems. Cost: O(inodes + extents log extents).
  func install(_ table: InodeTable, ledger: ChangeLedger) {
    let fixed = fixedRuns
    var index = OwnerIndex(blockCount: blockCount)
    var used: [Range<UInt64>] = []
    for run in fixed {
      for owner in run.owners { index.add(owner, to: run.blocks) }
      used.append(run.blocks)
    }
    for chunk in hasChunks ? table.chunks : [] {
      index.add(.metadata(.inodes), to: chunk..<chunk + 8)
      used.append(chunk..<chunk + 8)
    }
    for inode in table.inodes.values {
      for block in inode.mapBlocks {
        index.add(.extentMap(inode: inode.number), to: block..<block + 1)
        used.append(block..<block + 1)
      }
      for extent in inode.extents.extents {
        index.add(
          .file(inode: inode.number, page: extent.pages.lowerBound), to: extent.blocks)
        used.append(extent.blocks)
      }
    }
    index.compact()
    self.index = index
    space = FreeSpace(blocks: blockCount, groupBlocks: format.groupBlocks, used: used)
    inodes = table.inodes
    if hasChunks {
      // The realtime device's two inodes are behind the root.
      let taken = Set(table.inodes.keys).union([root, root + 1, root + 2])
      freeInodes = table.chunks.sorted(by: >).flatMap { chunk in
        (chunk * 8..<chunk * 8 + 64).reversed().filter { !taken.contains($0) }
      }
    } else {
      freeInodes.removeAll { table.inodes[$0] != nil }
    }
    for inode in inodes.values {
      inode.isInCore = false
      inode.isMetadataDirty = false
      inode.subdirectories = 0
    }
    for inode in inodes.values where inode.kind == .directory && inode.number != root {
      inodes[inode.parent]?.subdirectories += 1
    }
    for inode in inodes.values { inode.keepChanges(in: ledger) }
    self.ledger = ledger
  }

  /// Zeroes what files have in their last blocks behind their ends: a write that was killed may have left something there,
  /// and a file that grows must not show it. Blocks that are shared were not written.
  func clearTails() {
    for inode in inodes.values where inode.kind == .file && inode.size & 4095 != 0 {
      guard let extent = inode.extents.extent(at: inode.size >> 12), !extent.isUnwritten else {
        continue
      }
      let block = extent.block(of: inode.size >> 12)
      guard !index.isShared(block), media.isReadable(blocks: block..<block + 1) else { continue }
      let tail = Int(inode.size & 4095)..<4096
      if contents.read(block, tail).contains(where: { $0 != 0 }) {
        contents.fill(block, tail, with: 0)
      }
    }
  }
}
