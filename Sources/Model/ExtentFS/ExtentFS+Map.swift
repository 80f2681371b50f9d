internal import DaxModel
internal import OwnerIndex
internal import SystemPackage

/// What `iomap` answers, and what lies under it: allocation, conversion, copy-on-write.
extension ExtentFS {
  /// Pages that a copy-on-write takes blocks for at once: XFS's default cowextsize.
  private static let stagingPages: UInt64 = 32

  /// Maps pages from `pages.lowerBound` on; for a write, blocks are allocated, converted or taken
  /// for a copy.
  func beginMapping(
    _ number: UInt64, _ pages: Range<UInt64>, write: Bool
  ) throws(Errno) -> Iomap {
    try checkAlive()
    if write { try checkWritable() }
    let inode = try file(number)
    if write, let staged = inode.staging.extent(at: pages.lowerBound) {
      return copyTarget(inode, staged, pages)
    }
    guard let extent = inode.extents.extent(at: pages.lowerBound) else {
      let end = inode.extents.endOfHole(from: pages.lowerBound, limit: pages.upperBound)
      let hole = pages.lowerBound..<end
      guard write else { return Iomap(.hole, pages: hole) }
      let new = try allocate(inode, hole)
      return try written(inode, new)
    }
    let part = extent.clamped(to: pages)
    if part.isUnwritten {
      return write
        ? try written(inode, part)
        : Iomap(.unwritten, pages: part.pages, block: part.block)
    }
    let (isShared, end) = index.sharedStretch(from: part.block, limit: part.blocks.upperBound)
    let stretch = part.clamped(
      to: part.pages.lowerBound..<part.pages.lowerBound + (end - part.block))
    guard write, isShared else {
      return Iomap(
        .mapped, pages: stretch.pages, block: stretch.block, isShared: isShared,
        isDirty: inode.isMetadataDirty)
    }
    let staged = try stage(inode, stretch.pages)
    return copyTarget(inode, staged, stretch.pages)
  }

  /// A copy-on-write that succeeded takes the place of the old blocks; one that did not gives its
  /// blocks back.
  func endMapping(_ number: UInt64, _ iomap: Iomap, write: Bool, succeeded: Bool) {
    guard write, iomap.isShared, let inode = inodes[number] else { return }
    if !succeeded {
      cancelStaging(inode, iomap.pages)
      return
    }
    for staged in inode.staging.remove(iomap.pages) {
      index.remove(.metadata(.copyOnWriteStaging), from: staged.blocks)
      removeBlocks(inode, staged.pages)
      place(inode, Extent(pages: staged.pages, block: staged.block))
    }
  }

  /// Whether a store to a page of a file goes to another block, which is filled from the one that the file has: a shared one, or one whose
  /// neighbour's copy has taken a block for it, too.
  public func copiesOnWrite(_ number: UInt64, page: UInt64) -> Bool {
    guard hasStaged || index.sharesBlocks, let inode = inodes[number] else { return false }
    if inode.staging.extent(at: page) != nil { return true }
    return inode.extents.extent(at: page).map { index.isShared($0.block(of: page)) } ?? false
  }

  /// Fills the new blocks of a copy-on-write from the old ones.
  ///
  /// Source: `dax_iomap_copy_around` (`copy_mc_to_kernel`), fs/dax.c (v6.1, v6.12, v7.3).
  func copy(_ iomap: Iomap, _ pages: Range<UInt64>) throws(Errno) {
    settlesPageTables?()
    for page in pages {
      switch iomap.source {
      case .none: break
      case .zeroes: contents.fill(iomap.block(of: page), 0..<BlockContents.blockSize, with: 0)
      case .blocks(let first):
        let source = first + (page - iomap.pages.lowerBound)
        guard media.isCopyable(blocks: source..<source + 1) else { throw .ioError }
        contents.copy(source, to: iomap.block(of: page))
      }
    }
  }

  // MARK: Blocks of a file

  /// Allocates blocks for the beginning of a hole, and more where the file has an extent size; they
  /// are unwritten.
  func allocate(_ inode: Inode, _ hole: Range<UInt64>) throws(Errno) -> Extent {
    var wanted = hole
    let hint = inode.extentHint
    if hint > 1 {
      let low = wanted.lowerBound / hint * hint
      let high = (wanted.upperBound + hint - 1) / hint * hint
      wanted = freeAround(inode, low..<high, keeping: wanted)
    }
    var goal = goal(of: inode)
    if format.kind == .ext4, inode.extents.extents.isEmpty, wanted.count < 16 {
      // A small file begins in the area that small files share (locality group), away from large ones.
      goal = (goal + 1023) & ~511
    }
    if wanted.lowerBound > 0, let before = inode.extents.extent(at: wanted.lowerBound - 1) {
      goal = before.blocks.upperBound
    }
    let isLarge = wanted.count >= 512 || hint >= 512
    let alignment = isLarge ? max(format.alignment, hint >= 512 ? 512 : 1) : 1
    guard
      let blocks = space.allocate(UInt64(wanted.count), near: goal, alignment: alignment)
    else { throw .noSpace }
    var pages = wanted.lowerBound..<wanted.lowerBound + UInt64(blocks.count)
    var kept = blocks
    if pages.upperBound <= hole.lowerBound {
      // What was found ends before the page that was asked for.
      pages = hole.lowerBound..<hole.lowerBound + min(UInt64(blocks.count), UInt64(hole.count))
      space.free(blocks.lowerBound + UInt64(pages.count)..<blocks.upperBound)
      kept = blocks.lowerBound..<blocks.lowerBound + UInt64(pages.count)
    }
    let extent = Extent(pages: pages, block: kept.lowerBound, isUnwritten: true)
    place(inode, extent)
    return extent.clamped(to: hole)
  }

  /// Enters an extent, with its owner.
  func place(_ inode: Inode, _ extent: Extent) {
    inode.extents.insert(extent)
    index.add(
      .file(inode: inode.number, page: extent.pages.lowerBound), to: extent.blocks)
    inode.isMetadataDirty = true
    fitMap(inode)
  }

  /// Takes pages from a file. Blocks that nobody else has are free then.
  func removeBlocks(_ inode: Inode, _ pages: Range<UInt64>) {
    settlesPageTables?()
    _ = inode.unzeroed.remove(pages)
    let removed = inode.extents.remove(pages)
    for extent in removed {
      index.remove(
        .file(inode: inode.number, page: extent.pages.lowerBound), from: extent.blocks)
      freeUnowned(extent.blocks)
    }
    if !removed.isEmpty {
      inode.isMetadataDirty = true
      fitMap(inode)
    }
  }

  /// Gives back blocks that were taken for a copy-on-write and not used.
  func cancelStaging(_ inode: Inode, _ pages: Range<UInt64>) {
    for staged in inode.staging.remove(pages) {
      index.remove(.metadata(.copyOnWriteStaging), from: staged.blocks)
      space.free(staged.blocks)
    }
  }

  // MARK: Private

  /// Turns unwritten blocks into zeroed ones for a write.
  ///
  /// Zeroing goes through the driver, so that a bad block among them is found here: XFS has begun a
  /// transaction by then and shuts down, ext4 tells the writer. Source: oracle, "MCE, then free the
  /// bad block and reuse it".
  ///
  /// ext4 has made the extent a written one before it zeroes; when that fails, only the extent status cache still says unwritten, until
  /// the next write asks for blocks and gets these, not zeroed. Source: `ext4_map_blocks`, `ext4_issue_zeroout`, fs/ext4/inode.c (v6.12);
  /// measured in ext4-failed-zeroout.scn.
  private func written(_ inode: Inode, _ extent: Extent) throws(Errno) -> Iomap {
    if let known = inode.unzeroed.extent(at: extent.pages.lowerBound) {
      let part = extent.clamped(to: known.pages)
      settleUnzeroed(inode, part.pages)
      return Iomap(.mapped, pages: part.pages, block: part.block, isDirty: true)
    }
    let end = inode.unzeroed.endOfHole(
      from: extent.pages.lowerBound, limit: extent.pages.upperBound)
    let part = extent.clamped(to: extent.pages.lowerBound..<end)
    let blocks = part.blocks
    guard media.isReadable(blocks: blocks) || media.clear(blocks: blocks) else {
      if format.kind == .xfs {
        shutDown(.corruptInMemory)
      } else {
        let good = blocks.prefix { media.isReadable(blocks: $0..<$0 + 1) }
        for block in good { contents.fill(block, 0..<BlockContents.blockSize, with: 0) }
        inode.unzeroed.insert(part)
      }
      throw .ioError
    }
    for block in blocks { contents.fill(block, 0..<BlockContents.blockSize, with: 0) }
    makeWritten(inode, part)
    return Iomap(.mapped, pages: part.pages, block: part.block, isNew: true, isDirty: true)
  }

  /// The extent status cache learns what the extents on the medium say: that the pages are written.
  func settleUnzeroed(_ inode: Inode, _ pages: Range<UInt64>) {
    for part in inode.unzeroed.remove(pages) { makeWritten(inode, part) }
  }

  private func makeWritten(_ inode: Inode, _ part: Extent) {
    _ = inode.extents.remove(part.pages)
    inode.extents.insert(Extent(pages: part.pages, block: part.block))
    inode.isMetadataDirty = true
    fitMap(inode)
  }

  /// Takes blocks for copies of `pages`, and for their neighbours, which are likely to be next.
  private func stage(_ inode: Inode, _ pages: Range<UInt64>) throws(Errno) -> Extent {
    let size = max(Self.stagingPages, inode.extentHint)
    let low = pages.lowerBound / size * size
    let high = (pages.upperBound + size - 1) / size * size
    var wanted = low..<high
    // Not over what is staged already.
    for staged in inode.staging.parts(in: wanted) {
      if staged.pages.upperBound <= pages.lowerBound {
        wanted = staged.pages.upperBound..<wanted.upperBound
      } else {
        wanted = wanted.lowerBound..<staged.pages.lowerBound
        break
      }
    }
    let old = inode.extents.extent(at: pages.lowerBound)
    let goal = old?.blocks.upperBound ?? goal(of: inode)
    let isLarge = wanted.count >= 512
    guard
      let blocks = space.allocate(
        UInt64(wanted.count), near: goal,
        alignment: isLarge ? max(format.alignment, inode.extentHint >= 512 ? 512 : 1) : 1)
    else { throw .noSpace }
    // Less than was wanted serves the page that was asked for.
    let first =
      UInt64(blocks.count) < UInt64(wanted.count) ? pages.lowerBound : wanted.lowerBound
    let count = min(UInt64(blocks.count), wanted.upperBound - first)
    let staged = Extent(pages: first..<first + count, block: blocks.lowerBound)
    space.free(blocks.lowerBound + count..<blocks.upperBound)
    index.add(.metadata(.copyOnWriteStaging), to: staged.blocks)
    inode.staging.insert(staged)
    hasStaged = true
    return staged.clamped(to: pages)
  }

  /// The answer for a write to staged blocks. What is copied is what the file has there now.
  private func copyTarget(_ inode: Inode, _ staged: Extent, _ pages: Range<UInt64>) -> Iomap {
    var part = staged.clamped(to: pages)
    var source = Iomap.Source.zeroes
    if let old = inode.extents.extent(at: part.pages.lowerBound) {
      part = part.clamped(to: old.pages)
      if !old.isUnwritten { source = .blocks(from: old.block(of: part.pages.lowerBound)) }
    } else {
      let end = inode.extents.endOfHole(
        from: part.pages.lowerBound, limit: part.pages.upperBound)
      part = part.clamped(to: part.pages.lowerBound..<end)
    }
    return Iomap(
      .mapped, pages: part.pages, block: part.block, isShared: true, isDirty: true,
      source: source)
  }

  /// `range` as far as the file has no blocks in it, around `kept`, where it has none.
  private func freeAround(
    _ inode: Inode, _ range: Range<UInt64>, keeping kept: Range<UInt64>
  ) -> Range<UInt64> {
    var low = range.lowerBound
    var high = range.upperBound
    for part in inode.extents.parts(in: range) {
      if part.pages.upperBound <= kept.lowerBound {
        low = max(low, part.pages.upperBound)
      } else {
        high = min(high, part.pages.lowerBound)
      }
    }
    return low..<high
  }

  func freeUnowned(_ blocks: Range<UInt64>) {
    var next = blocks.lowerBound
    for run in index.runs(in: blocks) {
      space.free(next..<run.blocks.lowerBound)
      next = run.blocks.upperBound
    }
    space.free(next..<blocks.upperBound)
  }

  /// Gives the b-tree that maps a file as many blocks as its extents need. Without room it stays as
  /// it is.
  private func fitMap(_ inode: Inode) {
    let extents = inode.extents.count
    let perBlock = format.extentsPerMapBlock
    let needed = extents <= format.inlineExtents ? 0 : (extents + perBlock - 1) / perBlock
    while inode.mapBlocks.count < needed,
      let blocks = space.allocate(1, near: goal(of: inode), alignment: 1)
    {
      index.add(.extentMap(inode: inode.number), to: blocks)
      inode.mapBlocks.append(blocks.lowerBound)
    }
    while inode.mapBlocks.count > needed {
      let block = inode.mapBlocks.removeLast()
      index.remove(.extentMap(inode: inode.number), from: block..<block + 1)
      space.free(block..<block + 1)
    }
  }
}
