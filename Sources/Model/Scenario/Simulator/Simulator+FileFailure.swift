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
    let blocks = machine.regions[namespace].blockCount
    if let main = machine.blocks[namespace]?.logOf, main == machine.mounted,
      let filesystem = filesystem(main), filesystem.isHolder
    {
      return carryOut(
        FileFailure(block, of: filesystem, blockCount: blocks, as: .externalLog, kernel: kernel),
        on: filesystem, origin: origin)
    }
    guard let filesystem = filesystem(namespace) else {
      note("dax_lock_folio", "no file ever had the page: EBUSY")
      return .failure(.resourceBusy)
    }
    return carryOut(
      FileFailure(block, of: filesystem, blockCount: blocks, kernel: kernel), on: filesystem,
      origin: origin)
  }

  @discardableResult
  private mutating func carryOut(
    _ failure: FileFailure, on filesystem: ExtentFS, origin: FailureOrigin,
    everyone: Bool = false
  ) -> Result<Void, Errno> {
    for act in failure.acts {
      switch act {
      case .note(let function, let text): note(function, text)
      case .flag(let block): flag(block, filesystem)
      case .kill(let mapping, let page):
        kill(mapping, page: page, origin: origin, everyone: everyone)
      case .shutDown(let reason): filesystem.shutDown(reason)
      case .panic(let reason): panic(reason)
      }
    }
    return failure.error.map(Result.failure) ?? .success(())
  }

  private func flag(_ block: UInt64, _ filesystem: ExtentFS) {
    for (namespace, device) in machine.blocks where device.filesystem === filesystem {
      machine.regions[namespace].media.flagged.insert(block)
    }
  }

  /// Collects, unmaps and signals for one page of one file.
  private mutating func kill(
    _ mapping: FileMapping, page: UInt64, origin: FailureOrigin, everyone: Bool
  ) {
    visits += mapping.windows.count
    let candidates = Candidate.mapping(page, of: mapping, kernel: kernel, inOrder: <) { process in
      policies(of: processes[process])
    }
    let plan = KillPlan(
      candidates: candidates, origin: origin, sysctlEarlyKill: machine.earlyKill,
      everyone: everyone)
    explain(plan)
    if let pages = plan.unmapped(around: page) { mapping.unmapPages(pages) }
    send(plan.orders)
  }

  // MARK: Removal

  /// The device is about to go.
  ///
  /// - Returns: Whether page tables go on showing pages whose descriptors are gone.
  mutating func remove(_ filesystem: ExtentFS) -> Bool {
    let removal = DeviceRemoval(of: filesystem, kernel: kernel)
    for act in removal.acts {
      switch act {
      case .note(let function, let text): note(function, text)
      case .fail(let inode, let pages):
        for failure in removal.failures(of: inode, pages: pages, in: filesystem) {
          carryOut(
            failure, on: filesystem, origin: .injectionByBystander,
            everyone: removal.tellsEveryone)
          deliverSignals()
        }
      case .unmap(let mapping, let pages): mapping.unmapPages(pages)
      case .shutDown(let reason): filesystem.shutDown(reason)
      }
    }
    return removal.leavesEntries
  }
}
