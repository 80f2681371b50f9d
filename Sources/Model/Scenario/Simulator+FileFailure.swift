internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import OwnerIndex
internal import PmemBase
internal import SystemPackage

/// Pages of files fail.
extension Simulator {
  /// A block of an fs-dax namespace fails: the filesystem is asked first, if it is one that answers.
  ///
  /// Source: `memory_failure_dev_pagemap`, `pmem_pagemap_memory_failure`, `dax_holder_notify_failure` (v6.1, v7.3).
  mutating func failBlock(
    _ block: UInt64, namespace: Int, origin: FailureOrigin
  ) -> Result<Void, Errno> {
    machine.poisonedPages += 1
    if let device = machine.blocks[namespace], !device.isBound {
      note("get_dev_pagemap", "the driver is gone: ENXIO")
      return .failure(.noSuchAddressOrDevice)
    }
    guard block < machine.regions[namespace].blockCount else {
      return .failure(.noSuchAddressOrDevice)
    }
    if let main = machine.blocks[namespace]?.logOf, main == machine.mounted,
      let filesystem = filesystem(main), filesystem.isHolder
    {
      return tell(filesystem, of: block, namespace: namespace, as: .externalLog, origin: origin)
    }
    guard let filesystem = filesystem(namespace) else {
      note("dax_lock_folio", "no file ever had the page: EBUSY")
      return .failure(.resourceBusy)
    }
    guard filesystem.isHolder else {
      note(
        "memory_failure_dev_pagemap",
        "no filesystem is told of the device's failures: the generic handler")
      return failFolio(block, namespace: namespace, filesystem, origin: origin)
    }
    return tell(filesystem, of: block, namespace: namespace, as: .data, origin: origin)
  }

  /// The filesystem is told, and answers.
  private mutating func tell(
    _ filesystem: ExtentFS, of block: UInt64, namespace: Int, as part: HolderNotice.Part,
    origin: FailureOrigin
  ) -> Result<Void, Errno> {
    var volume = HolderNotice.Volume(
      blocks: 0..<machine.regions[namespace].blockCount,
      groupBlocks: filesystem.format.groupBlocks)
    volume.part = part
    volume.hasReverseMap = filesystem.format.hasReverseMap
    volume.isShutDown = filesystem.isShutDown
    switch HolderNotice(block..<block + 1, on: volume, kernel: kernel) {
    case .notBorn: return .failure(.ioError)
    case .outside: return .failure(.noSuchAddressOrDevice)
    case .ignored: return .success(())
    case .declined:
      note(
        "memory_failure_dev_pagemap", "XFS has no reverse map and declines: the generic handler")
      return failFolio(block, namespace: namespace, filesystem, origin: origin)
    case .logLost:
      note("xfs_dax_notify_logdev_failure", "the log is damaged: shutdown, EFSCORRUPTED")
      filesystem.shutDown(.corruptOnDisk)
      return .failure(.structureNeedsCleaning)
    case .unreadable:
      note("xfs_trans_read_buf_map", "the filesystem has shut down, no owner can be found: EIO")
      return .failure(.ioError)
    case .query: return failOwners(block, filesystem, origin: origin)
    }
  }

  // MARK: With a holder

  private mutating func failOwners(
    _ block: UInt64, _ filesystem: ExtentFS, origin: FailureOrigin
  ) -> Result<Void, Errno> {
    let owners = filesystem.owners(ofBlock: block)
    let records = owners.map { record($0, filesystem) }
    let decision = HolderFailure(owners: records, kernel: kernel)
    note(
      "xfs_dax_notify_failure",
      owners.isEmpty
        ? "block \(block) is free: nothing to do"
        : "block \(block) belongs to " + owners.map(Self.words).joined(separator: ", "))
    for file in decision.files {
      failPage(file.page, of: file.inode, filesystem, origin: origin)
    }
    guard decision.shutsDown else { return .success(()) }
    note("xfs_force_shutdown", "metadata is lost: the filesystem shuts down, EFSCORRUPTED")
    filesystem.shutDown(.corruptOnDisk)
    return .failure(.structureNeedsCleaning)
  }

  private static func words(_ owner: BlockOwner) -> String {
    switch owner {
    case .file(let inode, let page): "inode \(inode) page \(page)"
    case .extentMap(let inode): "the extent map of inode \(inode)"
    case .attributes(let inode): "the attributes of inode \(inode)"
    case .metadata(let kind): "the filesystem's own (\(kind))"
    }
  }

  private func record(_ owner: BlockOwner, _ filesystem: ExtentFS) -> OwnerRecord {
    guard let (inode, page) = owner.filePage else { return .metadata }
    return .file(
      inode: inode, page: page, isInCore: filesystem.isInCore(inode),
      isDax: filesystem.isDax(inode))
  }

  /// `mf_dax_kill_procs` for one page of one file.
  private mutating func failPage(
    _ page: UInt64, of inode: UInt64, _ filesystem: ExtentFS, origin: FailureOrigin,
    everyone: Bool = false
  ) {
    guard let mapping = filesystem.mapping(of: inode), let entry = mapping.entries[page],
      entry.blocks != nil
    else {
      note("dax_lock_mapping_entry", "inode \(inode) page \(page) has no entry: nothing to do")
      return
    }
    if !everyone, let first = entry.blocks?.lowerBound { flag(first, filesystem) }
    kill(mapping, page: page, origin: origin, everyone: everyone)
  }

  // MARK: Without one

  /// `mf_generic_kill_procs` for a page of a file.
  private mutating func failFolio(
    _ block: UInt64, namespace: Int, _ filesystem: ExtentFS, origin: FailureOrigin
  ) -> Result<Void, Errno> {
    let owner = filesystem.folios[block]
    if owner.mapping == .shared, kernel.sharedFolioIsOops {
      panic("oops in dax_lock_folio: page->mapping is PAGE_MAPPING_DAX_SHARED, address 1")
      return .failure(.resourceBusy)
    }
    guard let file = owner.file, let mapping = filesystem.mapping(of: file.inode) else {
      note(
        "mf_generic_kill_procs",
        owner.isShared
          ? "the folio has \(owner.share) owners and names none: EBUSY"
          : "the folio has no mapping, no file ever faulted it: EBUSY")
      return .failure(.resourceBusy)
    }
    // Where folios of 2 MiB are built the folio's first page is told (MF-02), elsewhere each page has an index (MF-03).
    flag(filesystem.folios.head(of: block), filesystem)
    kill(mapping, page: file.page, origin: origin, everyone: false)
    return .success(())
  }

  // MARK: Both

  /// SetPageHWPoison: on the first page of an entry (N4), or of a folio.
  private func flag(_ block: UInt64, _ filesystem: ExtentFS) {
    for (namespace, device) in machine.blocks where device.filesystem === filesystem {
      machine.regions[namespace].media.flagged.insert(block)
    }
  }

  /// Collects, unmaps and signals for one page of one file.
  private mutating func kill(
    _ mapping: FileMapping, page: UInt64, origin: FailureOrigin, everyone: Bool
  ) {
    let plan = KillPlan(
      candidates: candidates(mapping, page: page), origin: origin,
      sysctlEarlyKill: machine.earlyKill, everyone: everyone)
    explain(plan)
    if let shift = plan.unmapShift {
      let count = UInt64(1) << (shift - 12)
      let first = page / count * count
      mapping.unmapPages(first..<(first + count))
    }
    send(plan.orders)
  }

  /// The processes that map a page of a file, as the collection sees them.
  ///
  /// One pass over the file's windows: the kernel looks at every process for every file that owns the page
  /// (`for_each_process` in `collect_procs_fsdax`), and comes to the same.
  private mutating func candidates(_ mapping: FileMapping, page: UInt64) -> [Candidate] {
    visits += mapping.windows.count
    typealias Found = (order: (UInt64, Int), place: Candidate.Place?)
    var found: [Int: [Found]] = [:]
    for (age, window) in mapping.windows.enumerated() {
      guard let address = window.address(of: page) else { continue }
      let entry = window.entry(for: page).flatMap { entry in
        entry.block != nil || kernel.failureCountsEveryEntry ? entry : nil
      }
      found[window.process, default: []].append(
        (
          (window.firstPage, age),
          entry.map { Candidate.Place(address: address, shift: $0.size.shift) }
        ))
    }
    return found.sorted { $0.key < $1.key }.map { process, windows in
      Candidate(
        process: process, threads: policies(of: processes[process]),
        places: windows.sorted { $0.order < $1.order }.compactMap(\.place))
    }
  }

  // MARK: Removal

  /// The device is about to go: everybody who maps a page of a file on it is told, page by page.
  ///
  /// 6.1 has no word for it (MF_MEM_PRE_REMOVE): there the whole device fails, and only those are told who would be of any failure.
  ///
  /// Source: `xfs_dax_notify_failure` (v6.1, v6.12, v7.3); MF-33; oracle `xfs-unbind-mounted`, `xfs-unbind-early`, `xfs-shutdown-unbind`.
  mutating func announceRemoval(_ filesystem: ExtentFS) {
    guard !filesystem.isShutDown else {
      note("xfs_trans_read_buf_map", "the filesystem has shut down, no owner can be found")
      return
    }
    let announced = kernel.removalIsAnnounced
    for run in filesystem.owners(in: 0..<filesystem.blockCount) {
      for owner in run.owners {
        guard let (inode, first) = owner.filePage, filesystem.isInCore(inode),
          filesystem.isDax(inode)
        else { continue }
        for page in first..<(first + UInt64(run.blocks.count)) {
          guard let mapping = filesystem.mapping(of: inode), mapping.entries[page]?.blocks != nil
          else { continue }
          failPage(page, of: inode, filesystem, origin: .injectionByBystander, everyone: announced)
          deliverSignals()
        }
        guard announced else { continue }
        filesystem.mapping(of: inode)?.unmapPages(first..<(first + UInt64(run.blocks.count)))
      }
    }
    note("xfs_dax_notify_failure", "the device goes: the filesystem is shut down")
    filesystem.shutDown(announced ? .forcedUnmount : .corruptOnDisk)
  }
}
