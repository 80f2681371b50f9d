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
  /// - Parameter touch: For a consumption: who touched the page. He is the one who is answered by the touch itself.
  /// - Returns: What the model decided; `nil` when the touch has found nothing to consume any more.
  ///
  /// Source: `mf_generic_kill_procs`, `unmap_and_kill`, mm/memory-failure.c (v6.1, v6.12, v7.3): entries go first, then signals are sent.
  func fail(
    _ state: inout State, _ device: Int, _ folio: Int, _ origin: FailureOrigin,
    touch: PoisonTouch? = nil
  ) throws(Errno) -> GenericFailure? {
    let dax = devices[device]
    guard state.options.recovers else {
      state.hasPanicked = true
      tell(state, .panicked(device: device, folio: folio))
      for workload in workloads() { BusError.kill(process: workload.process) }
      throw .ioError
    }
    let earlyKill = state.options.earlyKill
    let all = ordered()
    let threads = policies(of: all, device)
    var candidates: [Candidate] = []
    var isTouch = touch == nil
    var result: GenericFailure?
    var plan: KillPlan?
    var error: Errno?
    var released: [ReleasedRun] = []
    Workload.holding(all[...]) { workload, space in
      if let touch, touch.workload === workload, !space.ended {
        isTouch = workload.mapForConsumption(&space, touch)
      }
      if !space.ended {
        candidates.append(
          Self.candidate(workload, space.space, device, folio, threads[workload.token] ?? []))
      }
    } act: {
      guard isTouch else { return }
      let decided = GenericFailure.decide(
        ownerKnown: dax.isOwned(folio: folio), candidates: candidates, origin: origin,
        sysctlEarlyKill: earlyKill)
      result = decided
      guard case .handled(let handled) = decided else { return }
      plan = handled
      guard handled.unmapShift != nil else { return }
      do throws(Errno) {
        try unmapper.unmap(
          dax,
          dax.offset(ofFolio: folio)..<dax.offset(ofFolio: folio) + dax.geometry.alignment.bytes)
      } catch let caught {
        error = caught
      }
    } last: { _, space in
      // Entries of a device are of its alignment: what is unmapped is this folio, in every file offset order.
      guard plan?.unmapShift != nil, error == nil else { return }
      released += space.space.revoke(device: device, folios: folio..<(folio + 1))
    }
    for run in released { dax.pagemap.unmap(folios: run.folios) }
    if let error { throw error }
    guard let result else { return nil }
    state.poisonedPages += 1
    tell(state, .failed(device: device, folio: folio, origin: origin, result))
    guard let plan else { return result }
    if plan.unmapShift != nil { tell(state, .unmapped(device: device, folio: folio)) }
    send(state, plan.orders, all)
    return result
  }

  /// The decision alone.
  func look(
    _ state: borrowing State, _ device: Int, _ folio: Int, _ origin: FailureOrigin
  ) -> GenericFailure {
    let all = ordered()
    let threads = policies(of: all, device)
    var candidates: [Candidate] = []
    Workload.holding(all[...]) { workload, space in
      candidates.append(
        Self.candidate(workload, space.space, device, folio, threads[workload.token] ?? []))
    } act: {
    } last: { _, _ in
    }
    return GenericFailure.decide(
      ownerKnown: devices[device].isOwned(folio: folio), candidates: candidates, origin: origin,
      sysctlEarlyKill: state.options.earlyKill)
  }

  /// In the order of `for_each_process`.
  func ordered() -> [Workload] {
    workloads().sorted { ($0.startTime, $0.process) < ($1.startTime, $1.process) }
  }

  /// What the threads of those who map the device have asked for; the kernel keeps it, and it is read before any lock is taken.
  private func policies(of all: [Workload], _ device: Int) -> [UInt64: [Candidate.Thread]] {
    var policies: [UInt64: [Candidate.Thread]] = [:]
    for workload in all where workload.maps(device: device) {
      policies[workload.token] = ProcessFacts.threads(workload.process).map { thread in
        Candidate.Thread(
          id: Int(thread.identifier),
          policy: thread.hasPolicy ? thread.isEarly ? .early : .late : .standard)
      }
    }
    return policies
  }

  /// Places are where the folio's head is, in the order of the interval tree.
  private static func candidate(
    _ workload: Workload, _ space: AddressSpace, _ device: Int, _ folio: Int,
    _ threads: [Candidate.Thread]
  ) -> Candidate {
    Candidate(
      process: Int(workload.process), threads: threads,
      places: space.places(ofFolio: folio, device: device).map {
        Candidate.Place(address: $0.address, shift: $0.size.shift)
      })
  }

  /// Sends what is for other threads; what is for `current` is in its own hands, or in its touch.
  private func send(_ state: borrowing State, _ orders: [SignalOrder], _ all: [Workload]) {
    for order in orders {
      var failure: Int32?
      if order.code == .actionOptional,
        let workload = all.first(where: { Int($0.process) == order.process })
      {
        do throws(Errno) {
          try BusError.queue(
            process: Int32(order.process), thread: Int32(order.thread), nonce: workload.nonce,
            code: BusError.actionOptional, shift: Int32(order.shift), address: order.address)
        } catch {
          failure = error.rawValue
        }
      }
      tell(state, .signalled(order, error: failure))
    }
  }
}
