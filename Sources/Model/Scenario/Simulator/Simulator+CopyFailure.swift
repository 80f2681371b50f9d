internal import DaxModel
internal import MemoryFailure
internal import SystemPackage

/// Ordinary memory fails: private copies, and the page of zeroes.
extension Simulator {
  /// A frame that is no device's fails. Whoever shows a private copy loses it, told or not: the reverse map of the frame says who that is.
  ///
  /// Source: `memory_failure`, `collect_procs_anon`, `hwpoison_user_mappings`, `try_memory_failure_free`, mm/memory-failure.c (v6.1,
  /// v6.12, v7.3); oracle `xfs-fork-copy-shared`, `xfs-fork-copy-policies`.
  mutating func failOrdinary(_ physical: UInt64, origin: FailureOrigin) -> Result<Void, Errno> {
    let frame = physical >> 12
    // Frame 0 is what pagemap says of an absent page.
    if frame != 0 { hostMemoryFailed = true }
    switch machine.frames.state(of: frame) {
    case .mapped(let copied):
      let plan = KillPlan(
        candidates: candidates(showing: frame, copied), origin: relevant(origin),
        sysctlEarlyKill: machine.earlyKill)
      machine.poisonedPages += 1
      machine.frames.poison(frame)
      copied.mapping.lose(frame, at: copied.page)
      explain(plan)
      note(
        "hwpoison_user_mappings",
        "a private copy: unmapped from everybody, later touches are BUS_MCEERR_AR")
      send(plan.orders)
      return .success(())
    case .free:
      note("memory_failure", "a free page: nobody gets it any more")
      machine.poisonedPages += 1
      machine.frames.poison(frame)
      return .success(())
    case .poisoned:
      note("memory_failure", "the page has failed before: EHWPOISON")
      killAccessing(frame, origin)
      return .failure(.hardwarePoison)
    case nil:
      if frame == Machine.zeroPage >> 12 {
        note("memory_failure", "a page of the kernel's own, it is left alone but marked: EBUSY")
        machine.frames.poison(frame)
        return .failure(.resourceBusy)
      }
      return .failure(.noSuchAddressOrDevice)
    }
  }

  /// A page failed that had failed before and is still there: whoever cannot go on without it is told the lowest address where it has it.
  ///
  /// Source: `kill_accessing_process`, mm/memory-failure.c (v6.12, v7.3); oracle `zero-page-twice`, `zero-page-split`.
  private mutating func killAccessing(_ frame: UInt64, _ origin: FailureOrigin) {
    guard let current = relevant(origin).current, frame == Machine.zeroPage >> 12 else { return }
    func tell(_ address: UInt64) {
      force(Signal(kind: .actionRequired, address: address, shift: 12), on: current.thread)
    }
    let reserved = processes[current.process].reserved.lowestZero
    let regions = processes[current.process].files.sorted {
      $0.range.lowerBound < $1.range.lowerBound
    }
    for region in regions {
      if let reserved, reserved < region.range.lowerBound { return tell(reserved) }
      // mprotect makes several windows of one mapping.
      var next = region.range.lowerBound
      while let window = mapping(region)?.window(of: current.process, at: next),
        next < region.range.upperBound
      {
        next = window.addresses.upperBound
        guard let page = window.pages.first(where: { window.entry(for: $0)?.target == .zero }),
          let address = window.address(of: page)
        else { continue }
        return tell(address)
      }
    }
    if let reserved { tell(reserved) }
  }

  /// The origin as far as it makes somebody the one who consumed the error.
  private func relevant(_ origin: FailureOrigin) -> FailureOrigin {
    switch origin {
    case .injection where adviceInProgress && kernel.adviceRequiresAction: origin
    case .consumed: origin
    default: .injectionByBystander
    }
  }

  /// The processes that show a frame, in the order of creation.
  private func candidates(
    showing frame: UInt64, _ copied: AnonymousFrames.Origin
  ) -> [Candidate] {
    var places: [Int: [Candidate.Place]] = [:]
    for mapper in copied.mapping.mappers(of: copied.page)
    where mapper.entry.target == .anonymous(frame) {
      places[mapper.process, default: []].append(
        Candidate.Place(address: mapper.address, shift: 12))
    }
    return places.sorted { $0.key < $1.key }.map { process, places in
      Candidate(process: process, threads: policies(of: processes[process]), places: places)
    }
  }

  /// Soft offline of one page: what a private copy's frame holds moves to another one, which nobody sees. Any other page is not an
  /// online one (MF-48).
  ///
  /// Source: `soft_offline_page`, mm/memory-failure.c (v6.1, v6.12, v7.3); oracle `xfs-fork-copy-softoff`,
  /// `zero-page-softoff`.
  mutating func softOffline(_ physical: UInt64) -> Result<Void, Errno> {
    let frame = physical >> 12
    let state = machine.frames.state(of: frame)
    if machine.region(at: physical) == nil { hostMemoryFailed = true }
    if case .poisoned = state {
      note("soft_offline_page", "the page has failed before: nothing to do")
      return .success(())
    }
    guard case .mapped(let copied) = state else {
      note("soft_offline_page", "no page that could be moved elsewhere: EIO")
      return .failure(.ioError)
    }
    note("soft_offline_in_use_page", "a private copy: moved to another frame")
    copied.mapping.migrate(frame, at: copied.page)
    machine.frames.poison(frame)
    machine.poisonedPages += 1
    return .success(())
  }
}
