internal import DaxModel
internal import FaultEngine
internal import LinuxSys
internal import Medium
public import MemoryFailure
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Errors come.
extension MemoryFailures {
  /// Software poison, as hwpoison/corrupt-pfn and madvise(MADV_HWPOISON): the handler runs; the bytes stay, no bad block comes, and the
  /// next touch maps the page again.
  ///
  /// - Parameters:
  ///   - page: Of 4 KiB, from the device's start; its folio fails as a whole.
  ///   - origin: Who does it.
  ///   - forces: `current` is told by a signal of ours: he does not ask for this himself.
  /// - Returns: What was decided, for the caller to signal himself if he is `current`.
  /// - Throws: `.resourceBusy`: no process has ever had the folio in a page table; `.noSuchAddressOrDevice`: no such page;
  ///   `.notSupported`: see ``Unmapper/check(_:)``.
  @discardableResult
  public func softwarePoison(
    device: Int, page: UInt64, origin: FailureOrigin = .injectionByBystander,
    forces: Bool = false
  ) throws(Errno) -> KillPlan {
    let folio = try folio(of: page, on: device)
    return try state.withLock { state throws(Errno) in
      try softwarePoison(&state, device, folio, origin, forces: forces)
    }
  }

  /// - Parameter touch: Who has touched the folio, has no entry for it yet, and is `current`.
  func softwarePoison(
    _ state: inout State, _ device: Int, _ folio: Int, _ origin: FailureOrigin, forces: Bool,
    touch: PoisonTouch? = nil
  ) throws(Errno) -> KillPlan {
    try unmapper.check(devices[device])
    guard devices[device].isEnabled else { throw .noSuchAddressOrDevice }
    guard touch != nil || devices[device].isOwned(folio: folio) else { throw .resourceBusy }
    let order = UInt64(devices[device].geometry.alignment.shift) - 9
    tell(
      state,
      .injected(
        device: device, sectors: UInt64(folio) << order..<UInt64(folio + 1) << order,
        kind: .poison))
    switch try fail(&state, device, folio, origin, touch: touch, forces: forces) {
    case .handled(let plan)?: return plan
    case .belongsToDriver?: throw .noSuchAddressOrDevice
    case .ownerUnknown?: throw .resourceBusy
    case nil: throw .resourceTemporarilyUnavailable
    }
  }

  /// A machine check that no thread consumed: the handler runs for each folio, and its pages' sectors are bad blocks.
  ///
  /// - Parameters:
  ///   - mediumIsBad: The medium cannot give the pages either, so that each later touch consumes an error. Without it the
  ///     data stays, as with the machine checks that an emulator injects.
  ///   - origin: `.consumed`: a thread did, after all; its signal is sent.
  /// - Throws: What taking pages away failed with. If the medium could not be made bad, nothing has changed; else one folio at least is
  ///   mapped still, and all others have failed nevertheless.
  public func machineCheck(
    device: Int, sectors: Range<UInt64>, mediumIsBad: Bool = true,
    origin: FailureOrigin = .machineCheck
  ) throws(Errno) {
    let bytes = try bytes(of: sectors, on: device)
    try state.withLock { state throws(Errno) in
      try machineCheck(&state, device, bytes, mediumIsBad: mediumIsBad, origin)
    }
  }

  func machineCheck(
    _ state: inout State, _ device: Int, _ bytes: Range<UInt64>, mediumIsBad: Bool,
    _ origin: FailureOrigin
  ) throws(Errno) {
    let pages = bytes.lowerBound >> 12..<(bytes.upperBound + 4095) >> 12
    let order = UInt64(devices[device].geometry.alignment.order)
    try unmapper.check(devices[device])
    if mediumIsBad { try poison(&state, device, bytes) }
    tell(
      state,
      .injected(
        device: device, sectors: bytes.lowerBound >> 9..<bytes.upperBound >> 9,
        kind: .machineCheck))
    // The address is told in units of 4 KiB: 1 << MISC.LSB.
    state.media[device].known.add(bytes: pages.lowerBound << 12..<pages.upperBound << 12)
    tell(state, .badBlocksChanged(device: device))
    var failure: Errno?
    for folio in pages.lowerBound >> order..<((pages.upperBound - 1) >> order + 1)
    where folio < devices[device].geometry.folioCount && devices[device].isEnabled && !hasPanicked {
      do throws(Errno) {
        _ = try fail(&state, device, Int(folio), origin, forces: origin != .machineCheck)
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  /// Errors of the medium that nobody has met yet: each touch consumes one.
  ///
  /// - Parameter isKnown: They are bad blocks at once, as `ndctl inject-error` has it; else (`--no-notify`) only when somebody meets them or
  ///   a scrub does. The handler does not run in either case.
  public func mediaError(
    device: Int, sectors: Range<UInt64>, isKnown: Bool = true
  ) throws(Errno) {
    let bytes = try bytes(of: sectors, on: device)
    try state.withLock { state throws(Errno) in
      try mediaError(&state, device, bytes, isKnown: isKnown)
    }
  }

  func mediaError(
    _ state: inout State, _ device: Int, _ bytes: Range<UInt64>, isKnown: Bool
  ) throws(Errno) {
    try unmapper.check(devices[device])
    try poison(&state, device, bytes)
    if isKnown { state.media[device].known.add(bytes: bytes) }
    tell(
      state,
      .injected(
        device: device, sectors: bytes.lowerBound >> 9..<bytes.upperBound >> 9,
        kind: isKnown ? .media : .latent))
    if isKnown { tell(state, .badBlocksChanged(device: device)) }
  }

  /// Address range scrub: what the medium cannot give is known afterwards.
  ///
  /// Source: drivers/acpi/nfit/core.c `ars_complete`: the list of bad ranges is the firmware's.
  public func scrub() {
    state.withLock { state in
      for device in devices.indices {
        let before = state.media[device].known
        for sectors in state.media[device].injected.ranges {
          state.media[device].known.add(
            bytes: sectors.lowerBound * 512..<sectors.upperBound * 512)
        }
        if state.media[device].known != before { tell(state, .badBlocksChanged(device: device)) }
      }
    }
  }

  /// Whether the device's medium can have errors that touches meet.
  public func canHaveErrors(device: Int) -> Bool {
    devices.indices.contains(device) && (try? unmapper.check(devices[device])) != nil
  }

  // MARK: Private

  /// - Throws: `.invalidArgument` for no sector, `.outOfRange` for one that the device does not have.
  func bytes(of sectors: Range<UInt64>, on device: Int) throws(Errno) -> Range<UInt64> {
    guard devices.indices.contains(device) else { throw .noSuchAddressOrDevice }
    guard !sectors.isEmpty else { throw .invalidArgument }
    guard sectors.upperBound <= devices[device].geometry.size / BadBlocks.sectorSize else {
      throw .outOfRange
    }
    return sectors.lowerBound * BadBlocks.sectorSize..<sectors.upperBound * BadBlocks.sectorSize
  }

  /// The sectors are bad from now on: marks their pages, then unmaps them everywhere. The address spaces still say that they are present
  /// where they were: whoever has such an entry is told when somebody consumes the error.
  ///
  /// - Throws: what taking the pages away failed with. The sectors are as good as before then.
  private func poison(
    _ state: inout State, _ device: Int, _ bytes: Range<UInt64>
  ) throws(Errno) {
    let dax = devices[device]
    let granule = Unmapper.granule(dax)
    let low = bytes.lowerBound / granule * granule
    let high = (bytes.upperBound + granule - 1) / granule * granule
    let before = state.media[device].injected
    let pages = (Int(low >> 12)..<Int(high >> 12)).filter { !dax.poison.contains(page: $0) }
    state.media[device].injected.add(bytes: bytes)
    for page in pages { dax.poison.insert(page: page) }
    do throws(Errno) {
      try takeAway(device, low, high)
    } catch {
      state.media[device].injected = before
      generation?.advance()
      for page in pages { dax.poison.remove(page: page) }
      throw error
    }
  }

  /// Takes a device's bytes, whole granules, out of every address space.
  private func takeAway(_ device: Int, _ low: UInt64, _ high: UInt64) throws(Errno) {
    let dax = devices[device]
    let granule = Unmapper.granule(dax)
    guard dax.medium.insertion == .continued else {
      return try empty(device, low..<high, revoking: nil)
    }
    // A step that keeps no lock for long; no fault thread installs a page of it any more.
    let step: UInt64 = max(granule, 1 << 20)
    let all = ordered()
    for start in stride(from: low, to: high, by: Int(step)) {
      var error: Errno?
      Workload.holding(all[...]) { _, _ in
      } act: {
        do throws(Errno) {
          try unmapper.unmap(dax, start..<min(start + step, high))
        } catch let caught { error = caught }
      } last: { _, _ in
      }
      if let error { throw error }
    }
  }
}
