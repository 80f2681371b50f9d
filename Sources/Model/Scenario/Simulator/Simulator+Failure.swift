internal import DaxModel
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// Pages fail.
extension Simulator {
  /// `memory_failure()`: what is said to whoever reports the page, and what happens to those who map it.
  ///
  /// Source: mm/memory-failure.c (v6.1, v6.12, v7.3).
  mutating func fail(_ physical: UInt64, origin: FailureOrigin) -> Result<Void, Errno> {
    guard machine.recovers else {
      panic("Memory failure: vm.memory_failure_recovery is 0, and a page failed")
      return .failure(.ioError)
    }
    if machine.region(at: physical) == nil {
      return failOrdinary(physical, origin: origin)
    }
    guard let region = machine.region(at: physical), physical >= machine.dataStart(region) else {
      note("memory_failure", "0x\(String(physical, radix: 16)) is no page of a device: ENXIO")
      return .failure(.noSuchAddressOrDevice)
    }
    let offset = physical - machine.dataStart(region)
    if machine.regions[region].isBlock {
      return failBlock(offset >> 12, namespace: region, origin: origin)
    }
    if let device = machine.devices.lastIndex(where: { $0.region == region && $0.state == .bound })
    {
      return failDevice(device, at: offset, origin: origin)
    }
    if machine.devices.contains(where: { $0.region == region }) {
      note("get_dev_pagemap", "the device is gone, its pages are nobody's: ENXIO")
      return .failure(.noSuchAddressOrDevice)
    }
    // A device that no step has named yet: nobody can have had its pages.
    machine.poisonedPages += 1
    note("dax_lock_folio", "nobody has had the page in a page table: EBUSY")
    return .failure(.resourceBusy)
  }

  private mutating func failDevice(
    _ device: Int, at offset: UInt64, origin: FailureOrigin
  ) -> Result<Void, Errno> {
    let geometry = machine.devices[device].geometry
    guard offset < geometry.size else { return .failure(.noSuchAddressOrDevice) }
    let folio = Int(offset >> geometry.alignment.shift)
    let result = GenericFailure.decide(
      ownerKnown: machine.devices[device].owned.contains(folio),
      candidates: candidates(device: device, folio: folio), origin: origin,
      sysctlEarlyKill: machine.earlyKill)
    machine.poisonedPages += 1
    switch result {
    case .ownerUnknown:
      note(
        "mf_generic_kill_procs",
        "no process has had folio \(folio) of \(machine.devices[device].name) in a page table, "
          + "dax_lock_folio finds no mapping: EBUSY, recovery action Failed")
      return .failure(.resourceBusy)
    case .belongsToDriver: return .failure(.noSuchAddressOrDevice)
    case .handled(let plan):
      explain(plan)
      // The head of a compound page.
      machine.regions[machine.devices[device].region].media.flagged.insert(
        UInt64(folio) << (geometry.alignment.shift - 12))
      if let shift = plan.unmapShift {
        // Entries of a device are of its alignment, so what is unmapped is this folio.
        precondition(shift == geometry.alignment.shift, "a device page of 2^\(shift) bytes")
        revoke(device, folios: folio..<(folio + 1))
      }
      send(plan.orders)
      return .success(())
    }
  }

  /// Every process, as the collection sees it, for a folio of a device.
  ///
  /// The places are where the folio's head is: a compound page is told whole (MF-01).
  private func candidates(device: Int, folio: Int) -> [Candidate] {
    processes.indices.filter { processes[$0].isAlive }.map { index in
      let process = processes[index]
      return Candidate(
        process: index, threads: policies(of: process),
        places: process.space.places(ofFolio: folio, device: device).map {
          Candidate.Place(address: $0.address, shift: $0.size.shift)
        })
    }
  }

  func policies(of process: SimulatedProcess) -> [Candidate.Thread] {
    process.threads.map { Candidate.Thread(id: $0, policy: threads[$0].policy) }
  }

  /// Says in words what a plan came to.
  func explain(_ plan: KillPlan) {
    guard log != nil else { return }
    for verdict in plan.verdicts {
      switch verdict {
      case .notPresent(let process):
        note("__add_to_kill", "\(leader(process)) has no page-table entry for the page: left out")
      case .notEarly(let process):
        note(
          "task_early_kill",
          "\(leader(process)) maps it, is not current and asked for nothing early: left out")
      case .leaderGone(let process):
        note("task_early_kill", "process \(process) has no main thread any more: left out")
      case .signalled(let process, let thread, .actionRequired):
        note(
          "kill_proc",
          "\(leader(process)): thread \(name(of: thread)) is current: BUS_MCEERR_AR, forced")
      case .signalled(let process, let thread, .actionOptional):
        note(
          "kill_proc",
          "\(leader(process)): thread \(name(of: thread)) wants to know early: BUS_MCEERR_AO")
      }
    }
    note(
      "unmap_and_kill",
      plan.unmapShift.map { "unmapped from every process, 2^\($0) bytes" }
        ?? "nobody was collected, nothing is unmapped; recovery action Recovered")
  }

  private func leader(_ process: Int) -> String {
    processes[process].threads.first.map(name(of:)) ?? "?"
  }

  // MARK: From a process

  /// madvise(MADV_HWPOISON): each folio is faulted in, then it fails.
  ///
  /// Source: `madvise_inject_error`, mm/madvise.c: the step is the size of the folio just injected, from where it was
  /// touched (MF-51; oracle `devdax-2m-range`).
  mutating func poison(_ range: Range<UInt64>, thread: Int) -> Result<Void, Errno> {
    let process = threads[thread].process
    adviceInProgress = true
    defer { adviceInProgress = false }
    var next = range.lowerBound
    while next < range.upperBound {
      guard faultIn(next, write: false, by: process) != nil,
        let physical = frame(at: next, of: process)
      else { return .failure(.badAddress) }
      let step = folioSize(at: next, of: process)
      let result = fail(physical, origin: .injection(process: process, thread: thread))
      if case .failure(let errno) = result, errno != .notSupportedOnSocket { return result }
      if stopped != nil { break }
      let (sum, overflow) = next.addingReportingOverflow(step)
      if overflow { break }
      next = sum
    }
    return .success(())
  }

  private func folioSize(at address: UInt64, of process: Int) -> UInt64 {
    if let region = fileRegion(at: address, of: process) {
      return fileFolioSize(at: address, region, process)
    }
    return processes[process].space.window(at: address)?.alignment.bytes ?? 4096
  }

  /// madvise(MADV_SOFT_OFFLINE): each page is faulted in first.
  mutating func softOffline(_ range: Range<UInt64>, process: Int) -> Result<Void, Errno> {
    for address in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
      guard faultIn(address, write: false, by: process) != nil,
        let physical = frame(at: address, of: process)
      else { return .failure(.badAddress) }
      let result = softOffline(physical)
      if case .failure = result { return result }
    }
    return .success(())
  }

  /// `hwp` of an actor: corrupt-pfn with the frame of its own page; it is current then.
  mutating func injectOwn(_ address: UInt64, thread: Int) -> Fields {
    let process = threads[thread].process
    guard let physical = frame(at: address, of: process) else {
      note(
        "corrupt-pfn",
        "the page is absent: EBUSY without asking, for pagemap says frame 0, which is the kernel's own"
      )
      return [.error(.resourceBusy), .hex("_pfn", 0)]
    }
    let result = fail(physical, origin: .injection(process: process, thread: thread))
    return outcome(result) + [.hex("_pfn", physical >> 12)]
  }

  // MARK: From outside

  /// A machine check: the page fails, and its sectors are bad blocks from now on.
  mutating func machineCheck(_ physical: UInt64, origin: FailureOrigin) {
    let result = fail(physical, origin: origin)
    if case .failure(let errno) = result, errno != .hardwarePoison,
      errno != .notSupportedOnSocket, case .consumed(_, let thread) = origin
    {
      note("kill_me_now", "nobody could be asked about the page: SIGBUS without an address")
      force(Signal(kind: .kernel, address: 0), on: thread)
    }
    guard let region = machine.region(at: physical) else { return }
    // The address is told in units of 4 KiB: 1 << MISC.LSB.
    let start = PageSize.base.roundDown(physical) - machine.regions[region].base
    machine.regions[region].media.badBlocks.add(bytes: start..<(start + PageSize.base.bytes))
    note("nfit_handle_mce", "bad block: 8 sectors of region\(region)")
  }
}
