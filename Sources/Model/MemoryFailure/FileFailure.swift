public import DaxModel
public import ExtentFS
internal import OwnerIndex
public import PmemBase
public import SystemPackage

/// What becomes of a block of a mounted filesystem that fails: the filesystem is asked first, if it is one that answers.
///
/// A decision only: whoever carries it out does `acts` in their order, and then says `error`.
///
/// Source: `memory_failure_dev_pagemap`, `mf_generic_kill_procs`, `mf_dax_kill_procs`, mm/memory-failure.c; `dax_holder_notify_failure`,
/// drivers/dax/super.c; fs/xfs/xfs_notify_failure.c (v6.1, v6.12, v7.3).
public struct FileFailure {
  public enum Act {
    /// What was found, by which function: for people.
    case note(function: String, String)
    /// SetPageHWPoison: on the first page of an entry (N4), or of a folio.
    case flag(block: UInt64)
    /// Who maps the file's page is collected, the page unmapped, the collected are signalled.
    case kill(FileMapping, page: UInt64)
    case shutDown(ShutdownReason)
    /// The machine stops.
    case panic(String)
  }

  public private(set) var acts: [Act] = []
  /// What `memory_failure()` returns; nil for 0.
  public private(set) var error: Errno?

  /// - Parameters:
  ///   - block: Of the device, 4 KiB units.
  ///   - blockCount: Of the device.
  ///   - part: What the device is to the filesystem.
  public init(
    _ block: UInt64, of filesystem: ExtentFS, blockCount: UInt64,
    as part: HolderNotice.Part = .data,
    kernel: KernelBehavior
  ) {
    guard filesystem.isHolder else {
      note(
        "memory_failure_dev_pagemap",
        "no filesystem is told of the device's failures: the generic handler")
      failFolio(block, filesystem, kernel)
      return
    }
    var volume = HolderNotice.Volume(
      blocks: 0..<blockCount, groupBlocks: filesystem.format.groupBlocks)
    volume.part = part
    volume.hasReverseMap = filesystem.format.hasReverseMap
    volume.isShutDown = filesystem.isShutDown
    switch HolderNotice(block..<block + 1, on: volume, kernel: kernel) {
    case .notBorn: error = .ioError
    case .outside: error = .noSuchAddressOrDevice
    case .ignored: break
    case .declined:
      note(
        "memory_failure_dev_pagemap", "XFS has no reverse map and declines: the generic handler")
      failFolio(block, filesystem, kernel)
    case .logLost:
      note("xfs_dax_notify_logdev_failure", "the log is damaged: shutdown, EFSCORRUPTED")
      acts.append(.shutDown(.corruptOnDisk))
      error = .corrupted
    case .unreadable:
      note("xfs_trans_read_buf_map", "the filesystem has shut down, no owner can be found: EIO")
      error = .ioError
    case .query: failOwners(block, filesystem, kernel)
    }
  }

  /// `mf_dax_kill_procs` for one page of one file.
  ///
  /// - Parameter everyone: The device is being removed.
  public init(
    page: UInt64, of inode: UInt64, _ filesystem: ExtentFS, everyone: Bool = false
  ) {
    failPage(page, of: inode, filesystem, everyone: everyone)
  }

  // MARK: With a holder

  private mutating func failOwners(
    _ block: UInt64, _ filesystem: ExtentFS, _ kernel: KernelBehavior
  ) {
    let owners = filesystem.owners(ofBlock: block)
    let decision = HolderFailure(
      owners: owners.map { Self.record($0, filesystem) }, kernel: kernel)
    note(
      "xfs_dax_notify_failure",
      owners.isEmpty
        ? "block \(block) is free: nothing to do"
        : "block \(block) belongs to " + owners.map(Self.words).joined(separator: ", "))
    for file in decision.files {
      failPage(file.page, of: file.inode, filesystem, everyone: false)
    }
    guard decision.shutsDown else { return }
    note("xfs_force_shutdown", "metadata is lost: the filesystem shuts down, EFSCORRUPTED")
    acts.append(.shutDown(.corruptOnDisk))
    error = .corrupted
  }

  private static func words(_ owner: BlockOwner) -> String {
    switch owner {
    case .file(let inode, let page): "inode \(inode) page \(page)"
    case .extentMap(let inode): "the extent map of inode \(inode)"
    case .attributes(let inode): "the attributes of inode \(inode)"
    case .metadata(let kind): "the filesystem's own (\(kind))"
    }
  }

  private static func record(_ owner: BlockOwner, _ filesystem: ExtentFS) -> OwnerRecord {
    guard let (inode, page) = owner.filePage else { return .metadata }
    return .file(
      inode: inode, page: page, isInCore: filesystem.isInCore(inode),
      isDax: filesystem.isDax(inode))
  }

  private mutating func failPage(
    _ page: UInt64, of inode: UInt64, _ filesystem: ExtentFS, everyone: Bool
  ) {
    guard let mapping = filesystem.mapping(of: inode), let entry = mapping.entries[page],
      entry.blocks != nil
    else {
      return note(
        "dax_lock_mapping_entry", "inode \(inode) page \(page) has no entry: nothing to do")
    }
    if !everyone, let first = entry.blocks?.lowerBound { acts.append(.flag(block: first)) }
    acts.append(.kill(mapping, page: page))
  }

  // MARK: Without one

  /// `mf_generic_kill_procs` for a page of a file.
  private mutating func failFolio(
    _ block: UInt64, _ filesystem: ExtentFS, _ kernel: KernelBehavior
  ) {
    let owner = filesystem.folios[block]
    if owner.mapping == .shared, kernel.sharedFolioIsOops {
      acts.append(
        .panic("oops in dax_lock_folio: page->mapping is PAGE_MAPPING_DAX_SHARED, address 1"))
      error = .resourceBusy
      return
    }
    guard let file = owner.file, let mapping = filesystem.mapping(of: file.inode) else {
      note(
        "mf_generic_kill_procs",
        owner.isShared
          ? "the folio has \(owner.share) owners and names none: EBUSY"
          : "the folio has no mapping, no file ever faulted it: EBUSY")
      error = .resourceBusy
      return
    }
    // Where folios of 2 MiB are built the folio's first page is told (MF-02), elsewhere each page has an index (MF-03).
    acts.append(.flag(block: filesystem.folios.head(of: block)))
    acts.append(.kill(mapping, page: file.page))
  }

  private mutating func note(_ function: String, _ text: String) {
    acts.append(.note(function: function, text))
  }
}

extension Candidate {
  /// The processes that map a page of a file, as the collection sees them.
  ///
  /// One pass over the file's windows: the kernel looks at every process for every file that owns the page
  /// (`for_each_process` in `collect_procs_fsdax`), and comes to the same.
  ///
  /// - Parameters:
  ///   - order: Says of two of the mapping's processes which is older.
  ///   - threads: A process's, leader first.
  public static func mapping(
    _ page: UInt64, of mapping: FileMapping, kernel: KernelBehavior,
    inOrder order: (Int, Int) -> Bool, threads: (Int) -> [Thread]
  ) -> [Candidate] {
    typealias Found = (order: (UInt64, Int), place: Place?)
    var found: [Int: [Found]] = [:]
    for (age, window) in mapping.windows.enumerated() {
      guard let address = window.address(of: page) else { continue }
      let entry = window.entry(for: page).flatMap { entry in
        entry.block != nil || kernel.failureCountsEveryEntry ? entry : nil
      }
      found[window.process, default: []].append(
        (
          (window.firstPage, age),
          entry.map { Place(address: address, shift: $0.size.shift) }
        ))
    }
    return found.sorted { order($0.key, $1.key) }.map { process, windows in
      Candidate(
        process: process, threads: windows.allSatisfy { $0.place == nil } ? [] : threads(process),
        places: windows.sorted { $0.order < $1.order }.compactMap(\.place))
    }
  }
}

extension KillPlan {
  /// The file's pages that go from every page table for a failure of one of them; nil: none.
  public func unmapped(around page: UInt64) -> Range<UInt64>? {
    unmapShift.map { shift in
      let count = UInt64(1) << (shift - 12)
      let first = page / count * count
      return first..<first + count
    }
  }
}

extension Errno {
  /// EFSCORRUPTED, which is EUCLEAN: the filesystem has shut down.
  public static var corrupted: Errno { Errno(rawValue: 117) }
}
