internal import DaxModel
internal import FaultEngine
internal import Medium
public import MemoryFailure
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// An error to come: a rule, and what only a person at the server can say of it.
public struct PlannedError: Sendable {
  public var rule: InjectionRule
  /// A machine check that leaves the medium good.
  public var dataStays: Bool
  /// The process that consumes it; nil: nobody, or who has touched the page.
  public var process: Int32?

  public init(_ rule: InjectionRule, dataStays: Bool = false, process: Int32? = nil) {
    self.rule = rule
    self.dataStays = dataStays
    self.process = process
  }
}

/// Errors that wait for a fault.
extension MemoryFailures {
  struct ArmedError {
    let device: Int
    /// Counted from 1 since the device is there.
    let fault: UInt64
    let planned: PlannedError
  }

  /// The error comes when the device's N-th fault from now on is to be answered, before its page is visible: exact, whatever number of
  /// processes fault. Until then every fault of the device is looked at.
  ///
  /// - Throws: `.outOfRange`: the sectors are not on the device; `.notSupported`: see ``Unmapper/check(_:)``.
  public func arm(device: Int, faults: UInt64, _ planned: PlannedError) throws(Errno) {
    try check(device, planned)
    state.withLock { state in
      // Fault threads count with their workload's lock held: none is in between.
      Workload.holding(ordered()[...]) { _, _ in
      } act: {
        let (fault, overflow) = devices[device].faultsEver.addingReportingOverflow(faults)
        state.rules.append(
          ArmedError(device: device, fault: overflow ? .max : fault, planned: planned))
        devices[device].poison.beginCare()
        setAlarm(state, device)
      } last: { _, _ in
      }
    }
  }

  /// The error comes now.
  ///
  /// - Throws: As ``arm(device:faults:_:)``, and `.resourceBusy` for software poison of a page that nobody has had.
  public func carryOut(device: Int, _ planned: PlannedError) throws(Errno) {
    try check(device, planned)
    try state.withLock { state throws(Errno) in try carryOut(&state, device, planned, nil) }
  }

  /// Errors that wait; the question waits for none that is under way.
  public func armed(device: Int) -> [WaitingError] {
    shownRules.withLock { $0 }.filter { $0.device == device }.map(waiting)
  }

  /// Errors that wait for a fault, all of them in these sectors, do not come.
  public func disarm(device: Int, sectors: Range<UInt64>) {
    state.withLock { state in
      let before = state.rules.count
      state.rules.removeAll { $0.device == device && waiting($0).isWithin(sectors) }
      for _ in state.rules.count..<before { devices[device].poison.endCare() }
      setAlarm(state, device)
    }
  }

  private func waiting(_ armed: ArmedError) -> WaitingError {
    WaitingError(
      armed.planned.rule, fault: armed.fault, seen: devices[armed.device].faultsEver,
      size: devices[armed.device].geometry.size)
  }

  /// What can be known now.
  private func check(_ device: Int, _ planned: PlannedError) throws(Errno) {
    guard devices.indices.contains(device) else { throw .noSuchAddressOrDevice }
    try unmapper.check(devices[device])
    guard planned.rule.place == .faultingPage || sectors(device, planned.rule, nil) != nil
    else { throw .outOfRange }
  }

  private func sectors(_ device: Int, _ rule: InjectionRule, _ page: Int?) -> Range<UInt64>? {
    rule.sectors(
      size: devices[device].geometry.size, faulting: page.map { UInt64($0) << 12 })
  }

  /// By the handler's thread: a fault has a number that a rule waits for.
  func carryOutRules(at touch: PoisonTouch) {
    state.withLock { state in
      defer { touch.workload.wake(page: touch.address) }
      guard let (device, page) = place(of: touch) else { return }
      // The fault that waits is the next one.
      let number = devices[device].faultsEver + 1
      let due = state.rules.filter { $0.device == device && $0.fault <= number }
      state.rules.removeAll { $0.device == device && $0.fault <= number }
      for armed in due {
        do throws(Errno) {
          try carryOut(&state, device, armed.planned, (touch, page))
        } catch .resourceTemporarilyUnavailable {
          // The address space is changing: the touch comes again, and the rule with it.
          state.rules.append(armed)
          continue
        } catch {
          // After a panic the error has come: it ended the machine.
          if !hasPanicked {
            tell(state, .ruleFailed(device: device, armed.planned.rule, error: error.rawValue))
          }
        }
        devices[device].poison.endCare()
      }
      setAlarm(state, device)
    }
  }

  private func setAlarm(_ state: borrowing State, _ device: Int) {
    shownRules.withLock { [rules = state.rules] in $0 = rules }
    devices[device].setAlarm(state.rules.filter { $0.device == device }.map(\.fault).min())
  }

  private func carryOut(
    _ state: inout State, _ device: Int, _ planned: PlannedError,
    _ fault: (touch: PoisonTouch, page: Int)?
  ) throws(Errno) {
    guard let sectors = sectors(device, planned.rule, fault?.page) else { throw .outOfRange }
    let bytes = sectors.lowerBound * 512..<sectors.upperBound * 512
    let current = planned.process.map { (process: Int($0), thread: Int($0)) }
    switch planned.rule.kind {
    case .media: try mediaError(&state, device, bytes, isKnown: true)
    case .latent: try mediaError(&state, device, bytes, isKnown: false)
    case .machineCheck:
      try machineCheck(
        &state, device, bytes, mediumIsBad: !planned.dataStays,
        current.map { .consumed(process: $0.process, thread: $0.thread) } ?? .machineCheck)
    case .poison:
      let shift = UInt64(devices[device].geometry.alignment.shift)
      let touched = fault.map { (UInt64($0.page) << 12) >> shift }
      for folio in bytes.lowerBound >> shift...(bytes.upperBound - 1) >> shift {
        // As madvise(MADV_HWPOISON) by the thread that touches it.
        let touch = folio == touched && current == nil ? fault?.touch : nil
        let origin: FailureOrigin =
          if let touch {
            .injection(process: Int(touch.workload.process), thread: Int(touch.thread))
          } else if let current {
            .injection(process: current.process, thread: current.thread)
          } else {
            .injectionByBystander
          }
        _ = try softwarePoison(
          &state, device, Int(folio), origin, forces: origin.current != nil, touch: touch)
      }
    }
  }
}
