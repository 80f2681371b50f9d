internal import DaxModel
internal import ExtentFS
internal import Medium
public import MemoryFailure
public import PageModel
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Errors of the mount's medium, asked for by tools and by workloads. Any thread; takes the mount's lock, and then the witness's.
extension FilesystemMount {
  /// From here on failures are judged by the witness's settings, and told to it as those of this device.
  public func report(to witness: any FailureWitness, as device: Int) {
    files.withLock { files in
      files.witness = witness
      files.device = device
    }
  }

  /// An error comes.
  ///
  /// - Parameters:
  ///   - dataStays: A machine check that leaves the medium good.
  ///   - process: Who consumes it; it gets the pages as if it had touched them.
  /// - Throws: `.outOfRange`; `.noSuchProcess`, `.badAddress`: the process shows nothing of them; ENXIO if the device is gone; for `poison` what memory_failure()
  ///   returns: EBUSY where nobody knows whose the page is, EFSCORRUPTED after a shutdown, EIO.
  public func inject(
    _ kind: InjectionRule.Kind, sectors: Range<UInt64>, dataStays: Bool, process: Int32?
  ) throws(Errno) {
    _ = try bytes(of: sectors)
    try files.withLock { files throws(Errno) in
      // `get_dev_pagemap`
      guard !files.isRemoved else { throw .noSuchAddressOrDevice }
      files.settle()
      try files.inject(kind, sectors: sectors, dataStays: dataStays, process: process)
    }
  }

  /// The device's driver is unbound, mounted or not: what becomes of the mount and of who maps its files the model says
  /// (`DeviceRemoval`). Waits for no workload; the bytes stay in the medium.
  ///
  /// - Throws: `.operationNotSupportedByDevice` if it was unbound before.
  public func remove() throws(Errno) {
    // freeze_super(): a failure is only logged.
    if files.withLock({ !$0.isRemoved && $0.filesystem.kernel.removalIsAnnounced }) {
      try? synchronizeMedium()
    }
    try files.withLock { files throws(Errno) in try files.remove() }
  }

  /// Makes the sectors good: bad ones read zero afterwards.
  public func clearErrors(sectors: Range<UInt64>) throws(Errno) {
    let bytes = try bytes(of: sectors)
    files.withLock { files in
      files.clear(bytes)
      files.witness?.note(.cleared(device: files.device, sectors: sectors))
    }
  }

  /// Takes injections back; what is known of them stays known.
  public func withdraw(sectors: Range<UInt64>) throws(Errno) {
    let bytes = try bytes(of: sectors)
    files.withLock { files in
      files.withdraw(bytes, zeroes: false)
      files.witness?.note(.cleared(device: files.device, sectors: sectors))
    }
  }

  public func scrub() { files.withLock { $0.scrub() } }

  /// The list of bad blocks.
  public var badBlocks: BadBlocks { files.withLock { $0.media.driver.badBlocks } }

  /// What the medium cannot give, known or not.
  public var injected: BadBlocks { files.withLock { $0.media.driver.latent } }

  /// Whose windows show a block, present or not.
  public func mappers(block: UInt64) throws(Errno) -> [PageMapper] {
    guard block < medium.size >> 12 else { throw .noSuchAddressOrDevice }
    return files.withLock { files in
      files.places(of: block).compactMap { place in
        guard let host = files.spaces[place.space]?.host else { return nil }
        return PageMapper(
          process: host.process, command: host.command, address: place.address,
          shift: (place.entry?.size ?? .base).shift, isPresent: place.entry != nil,
          policy: host.threads().first?.policy ?? .standard)
      }
    }
  }

  /// What the page of the medium at an address of a workload is: its block, and whether nobody else maps it. nil: no page of the medium is
  /// present there.
  public func locate(_ address: UInt64, in space: Int) -> (block: UInt64, isExclusive: Bool)? {
    files.withLock { files in
      files.block(at: address, in: space).map { block, mapping in
        let folio = Int(mapping.folios.head(of: block))
        return (block, mapping.pagemap.isMappedExclusively(folio: folio))
      }
    }
  }

  /// A touch was SIGBUS, and its thread has been told: the next one is decided anew.
  ///
  /// - Returns: Whether it was a memory error: there is a marker at the address.
  public func wasTold(_ address: UInt64, in space: Int) -> Bool {
    files.withLock { files in
      let page = PageSize.base.roundDown(address)
      let isMarked = files.spaces[space]?.markers.contains(page) ?? false
      files.forgetRefusal(page, in: space)
      return isMarked
    }
  }

  /// madvise(MADV_HWPOISON) of the folio at an address: it is faulted in, then it fails, and the thread is `current`.
  ///
  /// - Parameter isSoftOffline: MADV_SOFT_OFFLINE instead: EIO of a page of the medium.
  /// - Returns: Bytes to the next folio, and the signal that the thread gets; nil where there is no window of this mount.
  /// - Throws: EPERM for a page that is ordinary memory: a private copy, a hole. What ``inject`` throws for `poison`; EFAULT.
  public func poison(
    _ address: UInt64, in space: Int, thread: Int32, isSoftOffline: Bool
  ) throws(Errno) -> (step: UInt64, signal: SignalOrder?)? {
    try files.withLock { files throws(Errno) in
      files.settle()
      let at = PageSize.base.roundDown(address)
      guard let here = files.spaces[space], here.views[at] != nil else { return nil }
      _ = files.populate(space, at..<at + PageSize.base.bytes, isWrite: false)
      guard let (block, mapping) = files.block(at: at, in: space) else {
        throw here.views[at].flatMap {
          files.filesystem.openMapping(of: $0.value.inode)?.entry(of: space, at: at)
        } == nil ? .badAddress : .notPermitted
      }
      if isSoftOffline { throw .ioError }
      let step = mapping.folios[block].size.bytes
      let origin = FailureOrigin.injection(
        process: Int(here.host.process), thread: Int(thread))
      let (error, own) = files.fail(block, origin)
      if let error { throw error }
      return (step, own.first)
    }
  }

  // MARK: Counts

  /// Of blocks' folios, as the kernel's struct page has them; a block's is its folio's.
  public func counts(of blocks: Range<UInt64>) -> [(counts: PageCounts, isIdle: Bool)] {
    files.withLock { files in
      let filesystem = files.filesystem
      return blocks.map { block in
        let folio = Int(filesystem.folios.head(of: block))
        return (filesystem.pagemap.counts(folio: folio), filesystem.pagemap.isIdle(folio: folio))
      }
    }
  }

  /// 4 KiB pages with a mapcount.
  public var mappedPages: UInt64 {
    files.withLock { UInt64($0.filesystem.pagemap.mappedFolios()) }
  }

  /// Address spaces with windows of its files.
  public var workloads: Int { files.withLock { $0.spaces.count { !$0.value.views.isEmpty } } }

  private func bytes(of sectors: Range<UInt64>) throws(Errno) -> Range<UInt64> {
    guard !sectors.isEmpty, sectors.upperBound <= medium.size >> 9 else { throw .outOfRange }
    return sectors.lowerBound << 9..<sectors.upperBound << 9
  }
}

extension MappedFiles {
  /// - Parameter sectors: On the device.
  func inject(
    _ kind: InjectionRule.Kind, sectors: Range<UInt64>, dataStays: Bool, process: Int32?
  ) throws(Errno) {
    let bytes = sectors.lowerBound << 9..<sectors.upperBound << 9
    let blocks = bytes.lowerBound >> 12..<(bytes.upperBound + 4095) >> 12
    if let process {
      for block in blocks { try faultIn(block, of: process) }
    }
    witness?.note(.injected(device: device, sectors: sectors, kind: kind))
    let current = process.map { (process: Int($0), thread: Int($0)) }
    switch kind {
    case .media: breakMedium(bytes, isKnown: true)
    case .latent: breakMedium(bytes, isKnown: false)
    case .machineCheck:
      machineCheck(
        bytes, mediumIsBad: !dataStays,
        current.map { .consumed(process: $0.process, thread: $0.thread) } ?? .machineCheck)
    case .poison:
      let origin: FailureOrigin =
        current.map { .injection(process: $0.process, thread: $0.thread) } ?? .injectionByBystander
      for block in blocks {
        if let error = fail(block, origin, forces: current != nil).error { throw error }
      }
    }
  }

  /// Has the block in `process` as if it had touched it.
  func faultIn(_ block: UInt64, of process: Int32) throws(Errno) {
    guard spaces.values.contains(where: { $0.host.process == process }) else {
      throw .noSuchProcess
    }
    guard
      let place = places(of: block).first(where: { spaces[$0.space]?.host.process == process })
    else { throw .badAddress }
    _ = populate(place.space, place.address..<place.address + 4096, isWrite: false)
  }
}
