internal import DaxModel
internal import FaultEngine
internal import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
internal import SystemPackage

extension MemoryFailures {
  /// `memory_failure()` for a folio: decides, unmaps, signals. The handler's lock is held.
  ///
  /// - Parameters:
  ///   - touch: Who touched the page, which he has no entry for yet. For a consumption he is answered by the touch itself.
  ///   - forces: `current` is in no touch and no system call that could tell him: his signal is sent, too.
  /// - Returns: What the model decided; `nil` when the touch has found nothing to consume any more.
  ///
  /// Source: `mf_generic_kill_procs`, `unmap_and_kill`, mm/memory-failure.c (v6.1, v6.12, v7.3): entries go first, then signals are sent.
  func fail(
    _ state: inout State, _ device: Int, _ folio: Int, _ origin: FailureOrigin,
    touch: PoisonTouch? = nil, forces: Bool = false
  ) throws(Errno) -> GenericFailure? {
    let dax = devices[device]
    guard state.options.recovers else {
      panicked.store(true, ordering: .sequentiallyConsistent)
      tell(state, .panicked(device: device, folio: folio))
      for workload in workloads() { BusError.kill(process: workload.process) }
      throw .ioError
    }
    let earlyKill = state.options.earlyKill
    let all = ordered()
    let threads = policies(of: all, device, folio, origin)
    var candidates: [Candidate] = []
    var isTouch = touch == nil
    var result: GenericFailure?
    var plan: KillPlan?
    var error: Errno?
    var released: [ReleasedRun] = []
    var byAgents: Range<UInt64>?
    Workload.holding(all[...]) { workload, space in
      if let touch, touch.workload === workload, !space.ended {
        isTouch = workload.mapForConsumption(&space, touch)
      }
      if !space.ended {
        candidates.append(
          Self.candidate(
            workload, space.space, device, folio, threads[workload.token], origin))
      }
    } act: {
      guard isTouch else { return }
      let decided = GenericFailure.decide(
        ownerKnown: dax.isOwned(folio: folio), candidates: candidates, origin: origin,
        sysctlEarlyKill: earlyKill)
      result = decided
      guard case .handled(let handled) = decided else { return }
      plan = handled
      let bytes =
        dax.offset(ofFolio: folio)..<dax.offset(ofFolio: folio) + dax.geometry.alignment.bytes
      // Pages that the medium cannot give are in no page table.
      guard handled.unmapShift != nil, !dax.poison.healthy(in: bytes).isEmpty else { return }
      guard dax.medium.insertion == .continued else {
        byAgents = bytes
        return
      }
      do throws(Errno) {
        try unmapper.unmap(dax, bytes)
      } catch let caught {
        error = caught
      }
    } last: { _, space in
      // Entries of a device are of its alignment: what is unmapped is this folio, in every file offset order.
      guard plan?.unmapShift != nil, error == nil, byAgents == nil else { return }
      released += space.space.revoke(device: device, folios: folio..<(folio + 1))
    }
    for run in released { dax.pagemap.unmap(folios: run.folios) }
    if let error { throw error }
    if let byAgents { try empty(device, byAgents, revoking: folio..<folio + 1) }
    guard let result else { return nil }
    state.poisonedPages += 1
    tell(state, .failed(device: device, folio: folio, origin: origin, result))
    guard let plan else { return result }
    if plan.unmapShift != nil { tell(state, .unmapped(device: device, folio: folio)) }
    send(state, plan.orders, all, forces: forces)
    return result
  }

  /// Takes bytes of a medium that is mapped over out of every workload's windows, by their agents.
  ///
  /// - Throws: `.resourceBusy`: a workload is inside a call that changes such a window, and stays there.
  func empty(
    _ device: Int, _ bytes: Range<UInt64>, revoking folios: Range<Int>?
  ) throws(Errno) {
    for workload in ordered() {
      try awaiting(workload) { () throws(Errno) in
        try Self.patiently { () throws(Errno) in
          try workload.empty(device: device, bytes, revoking: folios)
        }
      }
    }
  }

  /// Says meanwhile who is waited for.
  func awaiting(_ workload: Workload, _ body: () throws(Errno) -> Void) throws(Errno) {
    waitingFor.store(workload.process, ordering: .relaxed)
    defer { waitingFor.store(0, ordering: .relaxed) }
    try body()
  }

  /// Again while the kernel, or a change under way, asks for that.
  private static func patiently(_ body: () throws(Errno) -> Void) throws(Errno) {
    for _ in 0..<1000 {
      do throws(Errno) { return try body() } catch .resourceTemporarilyUnavailable {
        Pause.short()
      }
    }
    throw .resourceBusy
  }

  /// The decision alone; the handler's lock is not needed.
  ///
  /// - Parameter faultsIn: `current` has touched the folio by then.
  func look(
    _ device: Int, _ folio: Int, _ origin: FailureOrigin, faultsIn: Bool
  ) -> GenericFailure {
    let all = ordered()
    let threads = policies(of: all, device, folio, origin)
    var candidates: [Candidate] = []
    Workload.holding(all[...]) { workload, space in
      guard !space.ended else { return }
      let candidate = Self.candidate(
        workload, space.space, device, folio, threads[workload.token], origin)
      candidates.append(
        faultsIn && candidate.places.isEmpty && origin.current?.process == candidate.process
          ? touching(candidate, space.space, device, folio) : candidate)
    } act: {
    } last: { _, _ in
    }
    let isOwned =
      devices[device].isOwned(folio: folio)
      || faultsIn
        && candidates.contains { $0.process == origin.current?.process && !$0.places.isEmpty }
    return GenericFailure.decide(
      ownerKnown: isOwned, candidates: candidates, origin: origin,
      sysctlEarlyKill: options.earlyKill)
  }

  /// The candidate once it has touched the folio, where a window shows that.
  private func touching(
    _ candidate: Candidate, _ space: AddressSpace, _ device: Int, _ folio: Int
  ) -> Candidate {
    let offset = devices[device].offset(ofFolio: folio)
    let shift = devices[device].geometry.alignment.shift
    let address = space.addresses(of: offset..<offset + 1, device: device).first
    return Candidate(
      process: candidate.process, threads: candidate.threads,
      places: address.map { [Candidate.Place(address: $0, shift: shift)] } ?? [])
  }

  /// In the order of `for_each_process`.
  func ordered() -> [Workload] {
    workloads().sorted { ($0.startTime, $0.process) < ($1.startTime, $1.process) }
  }

  /// What the threads of those who have the folio have asked for: the kernel keeps it. Read before all locks are taken, for it is slow;
  /// `current` is told whatever he has asked for.
  private func policies(
    of all: [Workload], _ device: Int, _ folio: Int, _ origin: FailureOrigin
  ) -> [UInt64: [Candidate.Thread]] {
    var policies: [UInt64: [Candidate.Thread]] = [:]
    for workload in all where origin.current?.process != Int(workload.process) {
      guard workload.hasEntry(device: device, folio: folio) else { continue }
      policies[workload.token] = workload.threads
    }
    return policies
  }

  /// Places are where the folio's head is, in the order of the interval tree.
  ///
  /// - Parameter threads: nil for who is `current`, and for who got the folio a moment ago.
  private static func candidate(
    _ workload: Workload, _ space: AddressSpace, _ device: Int, _ folio: Int,
    _ threads: [Candidate.Thread]?, _ origin: FailureOrigin
  ) -> Candidate {
    let places = space.places(ofFolio: folio, device: device)
    let isAsked = !places.isEmpty && origin.current?.process != Int(workload.process)
    return Candidate(
      process: Int(workload.process),
      threads: threads ?? (isAsked ? workload.threads : []),
      places: places.map {
        Candidate.Place(address: $0.address, shift: $0.size.shift)
      })
  }

  /// Sends what is for other threads; what is for `current` is in its own hands, or in its touch, but with `forces`.
  private func send(
    _ state: borrowing State, _ orders: [SignalOrder], _ all: [Workload], forces: Bool
  ) {
    for order in orders {
      // Before the handler in the workload can say that it has come.
      tell(state, .signalled(order))
      let isOptional = order.code == .actionOptional
      if isOptional || forces,
        let workload = all.first(where: { Int($0.process) == order.process })
      {
        do throws(Errno) {
          try workload.send(order, forces: !isOptional)
        } catch {
          tell(state, .signalFailed(order, error: error.rawValue))
        }
      }
    }
  }
}
