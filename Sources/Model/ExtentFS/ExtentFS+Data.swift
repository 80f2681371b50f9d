internal import DaxModel
internal import PmemBase
public import SystemPackage

/// read(2), write(2), and what loads and stores do to the device.
extension ExtentFS {
  private static let blockSize = BlockContents.blockSize

  // MARK: The device

  /// What a load finds in a block.
  public func load(_ block: UInt64, _ offset: Int) -> UInt8 {
    contents.read(block, offset..<offset + 1)[0]
  }

  /// What a store does to a block.
  public func store(_ value: UInt8, to block: UInt64, _ offset: Int) {
    contents.fill(block, offset..<offset + 1, with: value)
  }

  // MARK: Files

  /// pread(2): less than asked for at the end of the file.
  ///
  /// - Throws: EIO where a known bad block is among what is read, EFAULT where the first byte is on
  ///   one that nobody knew of; unless something was read before it.
  public func read(
    _ number: UInt64, at offset: UInt64, count: Int
  ) throws(Errno) -> [UInt8] {
    try checkAlive()
    let inode = try file(number)
    guard offset < inode.size else { return [] }
    let end = min(inode.size, offset + UInt64(count))
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(end - offset))
    var position = offset
    while position < end {
      let page = position >> 12
      let limit = (end + 4095) >> 12
      guard let extent = inode.extents.extent(at: page), !extent.isUnwritten else {
        let next =
          inode.extents.extent(at: page)?.pages.upperBound
          ?? inode.extents.endOfHole(from: page, limit: limit)
        let stop = min(end, next << 12)
        bytes.append(contentsOf: repeatElement(0, count: Int(stop - position)))
        position = stop
        continue
      }
      let part = extent.clamped(to: page..<limit)
      guard media.isReadable(blocks: part.blocks) else {
        if bytes.isEmpty { throw .ioError }
        return bytes
      }
      let first = part.block(of: page) << 12 | position & 4095
      let wanted = min(end, part.pages.upperBound << 12) - position
      let good = media.copyable(bytes: first..<first + wanted)
      let stop = position + good
      for page in part.pages where page << 12 < stop {
        let low = max(position, page << 12)
        let high = min(stop, (page + 1) << 12)
        contents.read(
          part.block(of: page), Int(low - page << 12)..<Int(high - page << 12), into: &bytes)
        position = high
      }
      if good < wanted {
        if bytes.isEmpty { throw .badAddress }
        return bytes
      }
    }
    return bytes
  }

  /// pwrite(2) of bytes.
  ///
  /// - Returns: Bytes written: less than given if the device fills up or breaks on the way.
  /// - Throws: EFAULT over a bad block that the write does not clear (kernel-semantics 4.8), EIO if
  ///   what a copy-on-write needs cannot be read, ENOSPC.
  @discardableResult
  public func write(
    _ number: UInt64, at offset: UInt64, _ bytes: [UInt8]
  ) throws(Errno) -> Int {
    try write(number, offset, bytes.count) { contents, block, part, done in
      contents.write(block, at: part.lowerBound, bytes[done..<done + part.count])
    }
  }

  /// pwrite(2) of one value, `count` times.
  @discardableResult
  public func write(
    _ number: UInt64, at offset: UInt64, fill value: UInt8, count: Int
  ) throws(Errno) -> Int {
    try write(number, offset, count) { contents, block, part, _ in
      contents.fill(block, part, with: value)
    }
  }

  /// fsync(2), or msync(MS_SYNC) of some pages: caches, then the log.
  ///
  /// - Parameter pages: Whose stores are to be written back.
  /// - Throws: EIO after a shutdown.
  @discardableResult
  public func synchronize(
    _ number: UInt64, pages: Range<UInt64> = 0..<UInt64.max >> 12
  ) throws(Errno) -> Progress {
    try checkAlive()
    guard let inode = inodes[number] else { throw .noSuchFileOrDirectory }
    switch inode.mapping?.writeback(pages) ?? .done {
    case .done: break
    case .waits(let page): return .waits(.waitsForEntry(page: page))
    }
    inode.isMetadataDirty = false
    space.settle()
    return .done
  }

  // MARK: Private

  private typealias Store = (any DeviceBytes, UInt64, Range<Int>, Int) -> Void

  private func write(
    _ number: UInt64, _ offset: UInt64, _ count: Int, _ store: Store
  ) throws(Errno) -> Int {
    try checkWritable()
    let inode = try file(number)
    let end = offset + UInt64(count)
    try zeroTail(inode, before: offset)
    var position = offset
    var failure: Errno?
    while position < end {
      do throws(Errno) {
        let iomap = try beginMapping(
          number, position >> 12..<(end + 4095) >> 12, write: true)
        let stop = min(end, iomap.pages.upperBound << 12)
        let ready: UInt64
        do throws(Errno) {
          ready = try prepare(inode, iomap, position..<stop)
        } catch {
          endMapping(number, iomap, write: true, succeeded: false)
          throw error
        }
        for page in iomap.pages where page << 12 < ready {
          let low = max(position, page << 12)
          let high = min(ready, (page + 1) << 12)
          store(
            contents, iomap.block(of: page), Int(low - page << 12)..<Int(high - page << 12),
            Int(low - offset))
        }
        endMapping(number, iomap, write: true, succeeded: true)
        position = ready
        if ready < stop { throw .badAddress }
      } catch {
        failure = error
        break
      }
    }
    if position > offset, position > inode.size {
      inode.size = position
      inode.isMetadataDirty = true
    }
    if position == offset, let failure { throw failure }
    return Int(position - offset)
  }

  /// Everything before the bytes: others let go of old pages, sources are copied, bad blocks
  /// cleared or refused.
  ///
  /// - Returns: Where the write ends: before the first bad block that it cannot clear.
  ///
  /// Source: `dax_iomap_iter`, `dax_iomap_copy_around`, fs/dax.c; `pmem_recovery_write`,
  /// drivers/nvdimm/pmem.c (v6.12).
  private func prepare(
    _ inode: Inode, _ iomap: Iomap, _ bytes: Range<UInt64>
  ) throws(Errno) -> UInt64 {
    if iomap.isNew || iomap.isShared && kernel.copiesAreForgotten {
      inode.mapping?.forget(iomap.pages, evenDirty: iomap.isShared)
    }
    if iomap.isShared {
      if case .blocks(let first) = iomap.source {
        guard media.isReadable(blocks: first..<first + UInt64(iomap.pages.count)) else {
          throw .ioError
        }
      }
      let last = iomap.pages.upperBound - 1
      if bytes.lowerBound & 4095 != 0 {
        try copy(iomap, iomap.pages.lowerBound..<iomap.pages.lowerBound + 1)
      }
      if bytes.upperBound & 4095 != 0 { try copy(iomap, last..<last + 1) }
    }
    let blocks = iomap.block..<iomap.block + UInt64(iomap.pages.count)
    guard !media.isReadable(blocks: blocks) else { return bytes.upperBound }
    var ready = bytes.lowerBound
    for page in iomap.pages {
      let next = min(bytes.upperBound, (page + 1) << 12)
      let start = iomap.block(of: page) << 12 | ready & 4095
      guard media.recover(bytes: start..<start + (next - ready)) else { break }
      ready = next
    }
    // Of a copy-on-write all pages take the place of the old ones, or none.
    guard ready == bytes.upperBound || ready > bytes.lowerBound && !iomap.isShared else {
      throw .badAddress
    }
    return ready
  }

  /// What was stored behind the file's end, in its last page, is not to be seen when the end moves on. ext4 has no such step.
  ///
  /// Source: `xfs_setattr_size`, fs/xfs/xfs_iops.c; `xfs_file_write_checks`, fs/xfs/xfs_file.c; `xfs_reflink_zero_posteof`,
  /// fs/xfs/xfs_reflink.c (v6.1, v7.3).
  func zeroTail(_ inode: Inode, before next: UInt64) throws(Errno) {
    let size = inode.size
    guard format.kind == .xfs, next > size, size & 4095 != 0 else { return }
    // Who fails afterwards has not moved the end.
    defer { inode.size = size }
    try zero(inode, size..<min(next, (size | 4095) + 1))
  }

  /// Zeroes bytes that are part of a page: a hole stays one.
  func zero(_ inode: Inode, _ bytes: Range<UInt64>) throws(Errno) {
    guard !bytes.isEmpty else { return }
    let page = bytes.lowerBound >> 12
    guard let extent = inode.extents.extent(at: page), !extent.isUnwritten else { return }
    let block = extent.block(of: page)
    guard media.isReadable(blocks: block..<block + 1) else { throw .ioError }
    _ = try write(inode.number, bytes.lowerBound, bytes.count) { contents, block, part, _ in
      contents.fill(block, part, with: 0)
    }
  }
}
