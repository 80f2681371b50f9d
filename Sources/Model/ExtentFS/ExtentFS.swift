public import DaxModel
public import OwnerIndex
public import PageModel
public import PmemBase

/// An extent filesystem on a device, in memory: XFS or ext4 as far as DAX and memory failure can
/// tell.
///
/// Inodes, names, extents that are mapped, unwritten or shared, copy-on-write, and every metadata
/// block with its owner. It plays the filesystem's half of each call and asks the file's
/// `FileMapping` for memory management's: layouts are broken, entries invalidated, windows
/// unmapped, in the kernel's order.
///
/// Not thread-safe; nothing blocks. Where the kernel would sleep for pages in use, the answer is a
/// `Progress` that says for what: nothing has changed then, and the call is made again. Offsets and
/// sizes are bytes, blocks and pages 4 KiB units.
public final class ExtentFS {
  public enum State: Equatable, Sendable {
    case unmounted
    case mounted(MountOptions)
    /// Mounted, and every call is EIO.
    case shutDown(MountOptions, ShutdownReason)
  }

  public let format: Format
  public let kernel: KernelBehavior
  public let blockCount: UInt64
  public let media: any Media
  public let pagemap: Pagemap
  public let folios: FolioTable
  let frames: AnonymousFrames

  public internal(set) var state = State.unmounted
  /// What the device holds; free blocks keep what they held.
  public let contents: any DeviceBytes

  /// Told of what happens in any file's mapping, with the inode.
  public var observe: ((UInt64, FileEvent) -> Void)?

  /// Called before a block is copied for a file, and before blocks are taken from one. The model has taken all entries of them by then;
  /// whoever keeps real page tables takes there what `FileMapping.changesPageTables` has told of, before it returns: a store that a page
  /// table still allowed would be lost with the old block, or hit whoever gets it.
  public var settlesPageTables: (() -> Void)?

  var inodes: [UInt64: Inode] = [:]
  var index: OwnerIndex
  /// Room for copies was taken once, for whatever file.
  var hasStaged = false
  var space: FreeSpace
  var freeInodes: [UInt64] = []
  public internal(set) var root: UInt64 = 0
  /// What changed since the last record of the log; nil where nobody keeps one.
  var ledger: ChangeLedger?
  /// What inodes that change now get as their time.
  public var clock = Timestamp()

  /// Makes the filesystem: mkfs. It is not mounted.
  ///
  /// - Parameters:
  ///   - blockCount: Size of the device.
  ///   - contents: Where its bytes are.
  ///   - pagemap: The device's pages, if others use them too; one block is one page of it.
  ///   - folios: Likewise.
  ///   - frames: Where private copies of its files' pages are.
  public init(
    _ format: Format, blockCount: UInt64, kernel: KernelBehavior = .v7_2,
    media: any Media = HealthyMedia(), contents: any DeviceBytes = BlockContents(),
    pagemap: Pagemap? = nil, folios: FolioTable? = nil,
    frames: AnonymousFrames = AnonymousFrames()
  ) {
    self.format = format
    self.kernel = kernel
    self.blockCount = blockCount
    self.media = media
    self.contents = contents
    self.pagemap =
      pagemap
      ?? Pagemap(
        type: .fsDax, pageCount: blockCount, folioSize: .base, regime: RefcountRegime(kernel))
    self.folios = folios ?? FolioTable(AssociationRules(kernel))
    self.frames = frames
    index = OwnerIndex(blockCount: blockCount)
    space = FreeSpace(blocks: blockCount, groupBlocks: format.groupBlocks)
    makeLayout()
    makeRoot()
  }

  // MARK: Owners and places

  /// Who owns a block: several files if it is shared, nobody if it is free.
  ///
  /// XFS without a reverse map and ext4 could not answer; this can, and `isHolder` says what they
  /// would have known.
  public func owners(ofBlock block: UInt64) -> [BlockOwner] { index.owners(of: block) }

  /// The owned runs in a range of blocks.
  public func owners(in blocks: Range<UInt64>) -> [OwnerRun] { index.runs(in: blocks) }

  /// Whether the filesystem is told of the device's failures and looks the owners up itself: XFS,
  /// mounted with DAX.
  public var isHolder: Bool { format.kind == .xfs && isMounted && usesDax }

  /// The address on the device, in bytes, of what a file holds at an offset; nil for a hole.
  public func address(of inode: UInt64, at offset: UInt64) -> UInt64? {
    guard let extent = inodes[inode]?.extents.extent(at: offset >> 12) else { return nil }
    return extent.block(of: offset >> 12) << 12 | offset & 4095
  }

  /// What a file's blocks are: FIEMAP. Holes are not listed.
  public func extents(of inode: UInt64) -> [ListedExtent] {
    guard let inode = inodes[inode] else { return [] }
    var listed: [ListedExtent] = []
    for extent in inode.extents.extents {
      var page = extent.pages.lowerBound
      while page < extent.pages.upperBound {
        let block = extent.block(of: page)
        let (isShared, end) = index.sharedStretch(from: block, limit: extent.blocks.upperBound)
        let next = page + (end - block)
        listed.append(
          ListedExtent(
            pages: page..<next, block: block, isUnwritten: extent.isUnwritten,
            isShared: isShared))
        page = next
      }
    }
    return listed
  }

  /// Blocks that nobody owns.
  public var freeBlocks: UInt64 { space.freeCount }

  // MARK: Files

  public var inodeNumbers: [UInt64] { inodes.keys.sorted() }

  public func exists(_ inode: UInt64) -> Bool { inodes[inode] != nil }

  /// Bytes.
  public func size(of inode: UInt64) -> UInt64 { inodes[inode]?.size ?? 0 }

  /// Names it has.
  public func links(of inode: UInt64) -> Int { inodes[inode]?.links ?? 0 }

  /// Whether the inode cache has it: a reverse map's answer is of no use for one that is not there.
  public func isInCore(_ inode: UInt64) -> Bool { inodes[inode]?.isInCore ?? false }

  /// Whether the file's pages are the device's: statx's STATX_ATTR_DAX.
  public func isDax(_ inode: UInt64) -> Bool {
    guard let inode = inodes[inode], inode.kind == .file, let options else { return false }
    switch options.dax {
    case .always: return true
    case .inode: return inode.hasDaxFlag
    case .never: return false
    }
  }

  /// The file's entries and windows; nil for what is not a DAX file.
  public func mapping(of number: UInt64) -> FileMapping? {
    guard isDax(number), let inode = inodes[number] else { return nil }
    inode.isInCore = true
    if let mapping = inode.mapping { return mapping }
    let mapping = FileMapping(
      file: InodeFile(self, number), kernel: kernel, pagemap: pagemap, folios: folios,
      frames: frames)
    mapping.observe = { [unowned self] event in observe?(number, event) }
    inode.mapping = mapping
    return mapping
  }

  /// The file's entries and windows if something has asked for them; the inode cache does not learn of the question.
  public func openMapping(of number: UInt64) -> FileMapping? { inodes[number]?.mapping }

  // MARK: State

  var options: MountOptions? {
    switch state {
    case .unmounted: nil
    case .mounted(let options), .shutDown(let options, _): options
    }
  }

  public var isMounted: Bool { options != nil }

  public var isShutDown: Bool { if case .shutDown = state { true } else { false } }

  var usesDax: Bool { options.map { $0.dax != .never } ?? false }
}
