internal import DaxModel
internal import OwnerIndex
internal import PmemBase
public import SystemPackage

/// What fallocate(2) does.
public enum AllocateMode: Hashable, Sendable {
  /// Blocks for holes, unwritten.
  case allocate
  /// FALLOC_FL_PUNCH_HOLE; the size stays.
  case punchHole
  /// FALLOC_FL_ZERO_RANGE
  case zeroRange
  /// FALLOC_FL_UNSHARE_RANGE
  case unshareRange
}

/// Calls that change which blocks a file has.
extension ExtentFS {
  /// ftruncate(2).
  @discardableResult
  public func truncate(_ number: UInt64, to size: UInt64) throws(Errno) -> Progress {
    try checkWritable()
    let inode = try file(number)
    if let layout = breakLayouts(inode) { return layout }
    if size < inode.size {
      if size & 4095 != 0 { try zero(inode, size..<min(inode.size, (size | 4095) + 1)) }
      let keep = (size + 4095) >> 12
      inode.mapping?.truncatePages(from: keep)
      cancelStaging(inode, keep..<UInt64.max >> 12)
      removeBlocks(inode, keep..<UInt64.max >> 12)
    }
    try zeroTail(inode, before: size)
    inode.size = size
    inode.isMetadataDirty = true
    return .done
  }

  /// fallocate(2).
  ///
  /// - Parameter keepsSize: FALLOC_FL_KEEP_SIZE; a punched hole always keeps it.
  /// - Throws: EINVAL for an empty range, EOPNOTSUPP for what the filesystem cannot do, ENOSPC,
  ///   EIO.
  @discardableResult
  public func allocate(
    _ number: UInt64, _ mode: AllocateMode, at offset: UInt64, count: UInt64,
    keepsSize: Bool = false
  ) throws(Errno) -> Progress {
    try checkWritable()
    let inode = try file(number)
    guard count > 0, offset <= UInt64.max >> 1, count <= UInt64.max >> 1 else {
      throw .invalidArgument
    }
    // `vfs_fallocate`: s_maxbytes, which is 8 EiB less a byte on XFS, 2^32 - 1 blocks on ext4.
    let most = format.kind == .xfs ? UInt64.max >> 1 : (1 << 32 - 1) << 12
    guard count <= most, offset <= most - count else { throw .fileTooLarge }
    guard mode != .unshareRange || format.hasReflink else { throw .notSupported }
    if !kernel.punchBehindEndBreaksLayouts, format.kind == .ext4, mode == .punchHole,
      offset >= inode.size
    {
      return .done
    }
    if format.kind == .xfs || mode != .allocate, let layout = breakLayouts(inode) {
      return layout
    }
    let bytes = offset..<offset + count
    let around = offset >> 12..<(bytes.upperBound + 4095) >> 12
    switch mode {
    case .allocate: try fillHoles(inode, around)
    case .punchHole: try punch(inode, bytes)
    case .zeroRange:
      if format.kind == .xfs {
        try punch(inode, bytes)
        try fillHoles(inode, around)
      } else {
        try zeroInPlace(inode, bytes)
      }
    case .unshareRange:
      try unshare(inode, around)
      try fillHoles(inode, around)
    }
    if mode != .punchHole, !keepsSize, bytes.upperBound > inode.size {
      try zeroTail(inode, before: bytes.upperBound)
      inode.size = bytes.upperBound
    }
    inode.isMetadataDirty = true
    return .done
  }

  /// FICLONE, FICLONERANGE: the files share the blocks from now on.
  ///
  /// - Parameters:
  ///   - count: Bytes; nil for all up to the end of the source.
  /// - Throws: EOPNOTSUPP without reflink; EINVAL for offsets inside a block, a tail that is not
  ///   both files' end, a range past the source's end or that of all files, or ranges of one file that overlap.
  ///
  /// Source: `xfs_file_remap_range`, fs/xfs/xfs_file.c; `xfs_reflink_remap_prep`, which locks first, fs/xfs/xfs_reflink.c (v6.12);
  /// xfs-reflink-nothing.scn.
  @discardableResult
  public func reflink(
    from source: UInt64, at sourceOffset: UInt64 = 0, to target: UInt64,
    at targetOffset: UInt64 = 0, count: UInt64? = nil
  ) throws(Errno) -> Progress {
    try checkWritable()
    guard format.hasReflink else { throw .notSupported }
    let from = try file(source)
    let to = try file(target)
    // Two files are locked before anything is looked at: whoever must sleep lets go of both and begins again.
    if let layout = breakLayouts(from) { return layout }
    if let layout = breakLayouts(to) { return layout }
    guard sourceOffset & 4095 == 0, targetOffset & 4095 == 0, isDax(source) == isDax(target)
    else { throw .invalidArgument }
    guard sourceOffset <= from.size else { throw .invalidArgument }
    let count = count ?? from.size - sourceOffset
    guard count > 0 else { return .done }
    guard count <= from.size - sourceOffset, targetOffset <= UInt64.max >> 1 - count else {
      throw .invalidArgument
    }
    if count & 4095 != 0 {
      guard sourceOffset + count == from.size, targetOffset + count >= to.size else {
        throw .invalidArgument
      }
    }
    let first = sourceOffset >> 12
    let pages = first..<first + (count + 4095) >> 12
    let place = targetOffset >> 12
    if source == target {
      guard !pages.overlaps(place..<place + UInt64(pages.count)) else {
        throw .invalidArgument
      }
    }
    let shift = place &- first
    try zeroTail(to, before: targetOffset)
    to.mapping?.punchPages(place..<place + UInt64(pages.count))
    cancelStaging(to, place..<place + UInt64(pages.count))
    removeBlocks(to, place..<place + UInt64(pages.count))
    for extent in from.extents.parts(in: pages) where !extent.isUnwritten {
      let target = extent.pages.lowerBound &+ shift..<extent.pages.upperBound &+ shift
      self.place(to, Extent(pages: target, block: extent.block))
    }
    to.size = max(to.size, targetOffset + count)
    return .done
  }

  /// FS_IOC_FSSETXATTR: whether the file is DAX under `dax=inode`, from the next time it enters the
  /// cache.
  public func setDaxFlag(_ number: UInt64, _ value: Bool) throws(Errno) {
    try checkWritable()
    try file(number).hasDaxFlag = value
  }

  /// FS_IOC_FSSETXATTR: extsize, in bytes; allocations are whole multiples of it and begin at one.
  ///
  /// - Throws: EINVAL for a size that is no multiple of a block; EOPNOTSUPP on ext4.
  public func setExtentSize(_ number: UInt64, _ bytes: UInt64) throws(Errno) {
    try checkWritable()
    guard format.kind == .xfs else { throw .notSupported }
    guard bytes & 4095 == 0 else { throw .invalidArgument }
    try file(number).extentHint = max(1, bytes >> 12)
  }

  // MARK: Private

  /// nil once nobody uses the file's pages.
  private func breakLayouts(_ inode: Inode) -> Progress? {
    guard let mapping = inode.mapping else { return nil }
    let layout = mapping.breakLayouts()
    return layout == .done ? nil : .waits(layout)
  }

  /// XFS reserves blocks for a whole step, what is there already too, before it allocates any: too large a request takes nothing. ext4
  /// keeps what it got.
  ///
  /// Source: `xfs_alloc_file_space`, fs/xfs/xfs_bmap_util.c (v7.3).
  private func fillHoles(_ inode: Inode, _ pages: Range<UInt64>) throws(Errno) {
    settleUnzeroed(inode, pages)
    let longestExtent: UInt64 = 1 << 21 - 1
    var page = pages.lowerBound
    while page < pages.upperBound {
      if format.kind == .xfs {
        guard min(pages.upperBound - page, longestExtent) <= freeBlocks else { throw .noSpace }
      }
      if let extent = inode.extents.extent(at: page) {
        page = extent.pages.upperBound
        continue
      }
      let end = inode.extents.endOfHole(from: page, limit: pages.upperBound)
      page = try allocate(inode, page..<end).pages.upperBound
    }
  }

  /// Parts of pages are zeroed, whole ones go.
  private func punch(_ inode: Inode, _ bytes: Range<UInt64>) throws(Errno) {
    let whole = try zeroEdges(inode, bytes)
    guard !whole.isEmpty else { return }
    inode.mapping?.punchPages(whole)
    removeBlocks(inode, whole)
  }

  /// ext4: whole pages become unwritten where they are.
  private func zeroInPlace(_ inode: Inode, _ bytes: Range<UInt64>) throws(Errno) {
    let whole = try zeroEdges(inode, bytes)
    guard !whole.isEmpty else { return }
    inode.mapping?.punchPages(whole)
    _ = inode.unzeroed.remove(whole)
    for extent in inode.extents.remove(whole) {
      inode.extents.insert(Extent(pages: extent.pages, block: extent.block, isUnwritten: true))
    }
    try fillHoles(inode, whole)
  }

  /// Zeroes what `bytes` has of pages that it does not have whole, up to the end of the file.
  ///
  /// - Returns: The whole pages.
  private func zeroEdges(
    _ inode: Inode, _ bytes: Range<UInt64>
  ) throws(Errno) -> Range<UInt64> {
    let first = (bytes.lowerBound + 4095) >> 12
    let last = bytes.upperBound >> 12
    let end = min(bytes.upperBound, inode.size)
    if bytes.lowerBound & 4095 != 0, bytes.lowerBound < end {
      try zero(inode, bytes.lowerBound..<min(end, first << 12))
    }
    if bytes.upperBound & 4095 != 0, last >= first, last << 12 < end {
      try zero(inode, last << 12..<end)
    }
    return first..<max(first, last)
  }

  /// Gives the file copies of what it shares.
  private func unshare(_ inode: Inode, _ pages: Range<UInt64>) throws(Errno) {
    for extent in inode.extents.parts(in: pages) where !extent.isUnwritten {
      for page in extent.pages {
        guard let block = inode.extents.extent(at: page)?.block(of: page), index.isShared(block)
        else { continue }
        let iomap = try beginMapping(inode.number, page..<page + 1, write: true)
        inode.mapping?.forget(page..<page + 1, evenDirty: true)
        do throws(Errno) {
          try copy(iomap, page..<page + 1)
        } catch {
          endMapping(inode.number, iomap, write: true, succeeded: false)
          throw error
        }
        endMapping(inode.number, iomap, write: true, succeeded: true)
      }
    }
  }
}
