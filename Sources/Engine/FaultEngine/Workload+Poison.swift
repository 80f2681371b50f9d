public import DaxModel
internal import Latency
internal import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Touches where the medium has errors, and what the failure handler does to an address space.
extension Workload {
  /// A touch of a folio of a device that has poison or is under care; `nil`: nothing is in the way, and the fault is noted.
  ///
  /// A page that is poisoned is never installed: the touch goes to the handler, and the thread waits. The rest of a larger folio
  /// is installed around it, as hardware would let it be read.
  func stepAroundPoison(
    _ state: inout State, _ decision: FaultDecision, _ address: UInt64, by thread: Int32,
    since read: Ticks
  ) -> Step? {
    let (index, start, length): (Int, UInt64, UInt64)
    var folios: Range<Int>?
    switch decision {
    case .install(let device, let new, let at, let bytes):
      (index, start, length) = (device, at, bytes)
      folios = new
    case .present(let device, let at, let bytes): (index, start, length) = (device, at, bytes)
    default: return nil
    }
    let device = devices[index]
    guard let window = state.space.window(at: start) else {
      device.noteFault()
      return nil
    }
    let offset = window.offset + (start - window.range.lowerBound)
    let page = offset + (PageSize.base.roundDown(address) - start)
    let touch = PoisonTouch(
      workload: self, address: PageSize.base.roundDown(address), thread: thread)
    let isPoisoned = device.poison.contains(page: Int(page >> 12))
    guard isPoisoned || device.claimFault() else {
      if folios != nil { state.space.retract(device: index, address: start, length: length) }
      poisonHandler?.reached(touch)
      return .done
    }
    poisonHandler?.saw(
      .fault(
        process: process, thread: thread, device: index, offset: page, address: touch.address))
    if isPoisoned, state.condemned.contains(touch.address) {
      if folios != nil { state.space.retract(device: index, address: start, length: length) }
      return .agent(
        AgentWork(
          decision: .beyondDevice(
            device: index, address: touch.address, length: PageSize.base.bytes,
            protection: window.protection),
          counted: read))
    }
    if isPoisoned {
      if folios != nil { state.space.retract(device: index, address: start, length: length) }
      return .poisoned
    }
    guard device.poison.contains(anyOf: offset..<offset + length) else { return nil }
    if let several = folios, several.count > 1 {
      // Fault-around: without it then.
      state.space.retract(device: index, address: start, length: length)
      let single = state.space.fault(at: address)
      guard case .install(_, let one, let at, let bytes) = single else {
        device.forgetFault()
        return .again
      }
      return installed(&state, device, index, one, at, bytes, isNew: true, since: read)
    }
    let folio = Int(offset >> device.geometry.alignment.shift)
    return installed(
      &state, device, index, folios ?? folio..<(folio + 1), start, length, isNew: folios != nil,
      since: read)
  }

  /// No lock of ours is held.
  func consume(_ address: UInt64, by thread: Int32) -> Bool {
    poisonHandler?.consumed(
      PoisonTouch(workload: self, address: PageSize.base.roundDown(address), thread: thread))
    return true
  }

  private func installed(
    _ state: inout State, _ device: DaxDevice, _ index: Int, _ folios: Range<Int>,
    _ start: UInt64, _ length: UInt64, isNew: Bool, since read: Ticks
  ) -> Step {
    if isNew { device.take(folios) }
    let counted = Clock.now()
    guard device.medium.insertion == .continued else {
      if isNew {
        return .agent(
          AgentWork(
            decision: .install(device: index, folios: folios, address: start, length: length),
            counted: counted))
      }
      try? userfaultfd.wake(address: start, length: length)
      return .done
    }
    switch installAroundPoison(device, folios, start, length) {
    case .installed:
      if isNew {
        device.note(folios.count, read: read, counted: counted, installed: Clock.now())
        tellInserted(index, folios, at: start)
      }
      return .done
    case .again:
      forget()
      device.forgetFault()
      return .again
    case .failed(let errno):
      forget()
      return giveUp(start, length, errno) ? .done : .again
    }
    func forget() {
      guard isNew else { return }
      state.space.retract(device: index, address: start, length: length)
      device.putBack(folios)
    }
  }

  func tellInserted(_ device: Int, _ folios: Range<Int>, at address: UInt64) {
    poisonHandler?.saw(
      .inserted(process: process, device: device, folios: folios, address: address))
  }

  /// Installs what of the folios is not poisoned, and wakes who waits for it.
  ///
  /// One UFFDIO_CONTINUE for each healthy run: over a poison marker it would put the page there.
  func installAroundPoison(
    _ device: DaxDevice, _ folios: Range<Int>, _ start: UInt64, _ length: UInt64
  ) -> Installation {
    let offset = device.offset(ofFolio: folios.lowerBound)
    for run in device.poison.healthy(in: offset..<offset + length) {
      let from = start + (run.lowerBound - offset)
      let result = installSlowly(device, folios, from, from + UInt64(run.count), start)
      guard case .installed = result else { return result }
    }
    return .installed
  }

  /// Has the folio at `address` inserted, as gup for reading does, and says which page it is.
  ///
  /// - Throws: `.badAddress` where a touch would be a signal.
  public func faultIn(_ address: UInt64) throws(Errno) -> (device: Int, page: Int) {
    try populate(address: PageSize.base.roundDown(address), length: PageSize.base.bytes)
    let found = state.withLock { state -> (device: Int, page: Int)? in
      guard let window = state.space.window(at: address), window.protection.contains(.read),
        window.isPresent(address)
      else { return nil }
      return Self.page(at: address, in: state.space)
    }
    guard let found else { throw .badAddress }
    return found
  }

  /// The page of the device that `address` is a window of, present or not; `nil` outside of windows.
  public func page(at address: UInt64) -> (device: Int, page: Int)? {
    state.withLock { Self.page(at: address, in: $0.space) }
  }

  // MARK: For the failure handler

  /// Holds every lock of `workloads` at once: `first` for each when it is taken, `act` when all are, `last` for each before it is given
  /// back. So page-table entries go from all address spaces in one step.
  ///
  /// Waits for nobody but the system calls of fault threads.
  public static func holding(
    _ workloads: ArraySlice<Workload>, first: (Workload, inout State) -> Void,
    act: () -> Void, last: (Workload, inout State) -> Void
  ) {
    guard let workload = workloads.first else { return act() }
    workload.state.withLock { state in
      first(workload, &state)
      holding(workloads.dropFirst(), first: first, act: act, last: last)
      last(workload, &state)
    }
  }

  /// A touch of a poisoned page, looked at again by the handler: as if the device had mapped it and the access had then failed.
  ///
  /// - Returns: Whether the page has an entry now, with its reference. If not, the thread has been told to look again, or is when
  ///   the change that is under way is complete.
  public func mapForConsumption(_ state: inout State, _ touch: PoisonTouch) -> Bool {
    switch state.space.fault(at: touch.address) {
    case .install(let device, let folios, _, _):
      devices[device].take(folios)
      return true
    case .present: return true
    case .wait: state.waiting.insert(touch.address)
    case .beyondDevice, .unmapped: wake(page: touch.address)
    }
    return false
  }

  /// The page of the device that `address` shows, and the window's index of the device.
  public static func page(at address: UInt64, in space: AddressSpace) -> (device: Int, page: Int)? {
    guard let window = space.window(at: address) else { return nil }
    return (
      window.device, Int((window.offset + (address - window.range.lowerBound)) >> 12)
    )
  }

  /// Makes the touch that waits, and each later one there, SIGBUS: by a marker; without markers the agent withdraws the page when it is
  /// touched again, which is at once.
  ///
  /// - Throws: `.resourceTemporarilyUnavailable`: an mremap is under way; ask again.
  public func answerPoison(
    _ state: inout State, page address: UInt64, bytes: UInt64
  ) throws(Errno) {
    guard canArm else {
      for page in stride(from: address, to: address + bytes, by: Int(PageSize.base.bytes)) {
        state.condemned.insert(page)
      }
      // From its next event on the fault thread takes the agent's turn.
      usesAgent.store(true, ordering: .sequentiallyConsistent)
      return wake(page: address)
    }
    do throws(Errno) {
      // Wakes who waits there.
      try userfaultfd.poison(address: address, length: bytes)
      return
    } catch .fileExists {
      // There is a marker already.
    } catch .resourceTemporarilyUnavailable {
      throw .resourceTemporarilyUnavailable
    } catch {
      // The process is gone, or the range: whoever waits finds out.
    }
    try? userfaultfd.wake(address: address, length: bytes)
  }

  /// Puts the page where a marker may be, so that it is gone; the caller unmaps it everywhere before it gives up the locks.
  ///
  /// - Throws: `.resourceTemporarilyUnavailable`: an mremap is under way; ask again.
  public func removeMarker(page address: UInt64, bytes: UInt64) throws(Errno) {
    var done: UInt64 = 0
    do throws(Errno) {
      try userfaultfd.mapExisting(address: address, length: bytes, done: &done)
    } catch .resourceTemporarilyUnavailable {
      throw .resourceTemporarilyUnavailable
    } catch {
      // There already, or nothing to put there: then there is no marker.
    }
  }

  /// Takes pages out of the windows of a medium that is mapped over; stores until then are the medium's. Waits for the workload; not for
  /// its fault thread.
  ///
  /// - Parameters:
  ///   - bytes: Of the device, whole pages.
  ///   - revoking: Folios whose references go back; nil: the address space goes on saying that they are present.
  /// - Throws: As ``restore(device:_:)``.
  public func empty(
    device: Int, _ bytes: Range<UInt64>, revoking folios: Range<Int>?
  ) throws(Errno) {
    var released: [ReleasedRun] = []
    defer { release(released) }
    try forEachPlace(device: device, bytes) { state in
      if let folios { released = state.space.revoke(device: device, folios: folios) }
    } body: { address, length, _, window throws(Errno) in
      try agent.empty(address: address, length: length, protection: window.protection)
    }
  }

  /// Puts the device's pages where the agent may have withdrawn them; the caller unmaps them everywhere, which takes away what was
  /// touched before it was counted. Waits for the workload.
  ///
  /// - Parameter bytes: Of the device, whole pages.
  /// - Throws: `.resourceTemporarilyUnavailable`: a change of one of its windows is under way; ask again. What mmap(2) failed with.
  public func restore(device: Int, _ bytes: Range<UInt64>) throws(Errno) {
    try forEachPlace(device: device, bytes) { _ in
    } body: { address, length, offset, window throws(Errno) in
      try agent.insert(
        device: device, address: address, length: length, offset: offset,
        protection: window.protection)
      try userfaultfd.register(address: address, length: length, minor: true)
    }
  }

  /// What windows show of the bytes, with the agent's turn: no change of the address space begins, and no page comes, meanwhile.
  private func forEachPlace(
    device: Int, _ bytes: Range<UInt64>, first: (inout State) -> Void,
    body: (_ address: UInt64, _ length: UInt64, _ offset: UInt64, Window) throws(Errno) -> Void
  ) throws(Errno) {
    do throws(Errno) {
      try agentTurn.withLock { _ throws(Errno) in
        let places = try state.withLock { state throws(Errno) -> [(UInt64, Window)] in
          guard !state.ended else { return [] }
          var places: [(UInt64, Window)] = []
          for address in state.space.addresses(of: bytes, device: device) {
            guard !state.space.isChanging(address..<address + 1) else {
              throw .resourceTemporarilyUnavailable
            }
            if let window = state.space.window(at: address) { places.append((address, window)) }
          }
          for (address, _) in places { state.condemned.remove(address) }
          first(&state)
          return places
        }
        for (address, window) in places {
          let offset = window.offset + (address - window.range.lowerBound)
          let length = min(bytes.upperBound - offset, window.range.upperBound - address)
          try body(address, length, offset, window)
        }
      }
    } catch .brokenPipe {
      // The process is gone, and all its windows.
    } catch .noSuchProcess {
    }
  }

  public func wake(page address: UInt64) { try? userfaultfd.wake(address: address, length: 4096) }

  /// UFFDIO_POISON works: Linux 6.6. Else the agent withdraws pages.
  public var canArm: Bool { canPoison }
}
