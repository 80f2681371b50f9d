internal import DaxModel
internal import ExtentFS
internal import Medium
public import MemoryFailure
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// An error that waits for a fault of a mount's files.
struct ArmedError {
  /// Counted from 1 since the mount is there.
  let fault: UInt64
  let rule: InjectionRule
  let dataStays: Bool
  let process: Int32?
}

extension FilesystemMount {
  /// The error comes when the N-th fault of the mount's files from now on is to be answered, before its page is visible: exact, whatever
  /// number of processes fault, because the mount answers one fault at a time.
  ///
  /// A rule for the page of the fault waits on where that is a hole.
  ///
  /// - Throws: `.outOfRange`: the sectors are not on the device.
  public func arm(
    faults: UInt64, _ rule: InjectionRule, dataStays: Bool = false, process: Int32? = nil
  ) throws(Errno) {
    guard rule.place == .faultingPage || rule.sectors(size: medium.size) != nil else {
      throw .outOfRange
    }
    files.withLock { files in
      let (fault, overflow) = files.faults.addingReportingOverflow(faults)
      files.armed.append(
        ArmedError(
          fault: overflow ? .max - 1 : fault, rule: rule, dataStays: dataStays, process: process))
    }
  }

  /// Errors that wait for a fault.
  public var armed: [WaitingError] {
    files.withLock { files in files.armed.map { waiting($0, files.faults) } }
  }

  /// Errors that wait for a fault, all of them in these sectors, do not come.
  public func disarm(sectors: Range<UInt64>) {
    files.withLock { files in
      files.armed.removeAll { waiting($0, files.faults).isWithin(sectors) }
    }
  }

  private func waiting(_ armed: ArmedError, _ faults: UInt64) -> WaitingError {
    WaitingError(armed.rule, fault: armed.fault, seen: faults, size: medium.size)
  }

  /// userfaultfd events of the mount's files that were answered, and pages of 4 KiB inserted, since it is there.
  public var faultCounts: (faults: UInt64, inserted: UInt64) {
    files.withLock { ($0.faults, $0.inserted) }
  }
}

extension MappedFiles {
  /// Carries out the errors that wait for the fault that comes now. May wait for agents.
  ///
  /// - Parameter byte: Of the device, what is touched; nil: a hole.
  func carryOutArmed(_ own: Space, _ touch: FileTouch, _ byte: UInt64?) {
    let number = faults + 1
    func isDue(_ error: ArmedError) -> Bool {
      error.fault <= number && (error.rule.place != .faultingPage || byte != nil)
    }
    let due = armed.filter(isDue)
    guard !due.isEmpty else { return }
    armed.removeAll(where: isDue)
    for error in due {
      do throws(Errno) {
        guard let sectors = error.rule.sectors(size: medium.size, faulting: byte) else {
          throw .outOfRange
        }
        let isOwn =
          error.rule.kind == .poison && error.rule.place == .faultingPage && error.process == nil
        if isOwn {
          try poisonTouched(own, touch, sectors)
        } else {
          try inject(
            error.rule.kind, sectors: sectors, dataStays: error.dataStays, process: error.process)
        }
      } catch let errno {
        witness?.note(.ruleFailed(device: device, error.rule, error: errno.rawValue))
      }
    }
  }

  /// As madvise(MADV_HWPOISON) by the thread that touches: it has the page, is told, and the page comes again.
  private func poisonTouched(
    _ own: Space, _ touch: FileTouch, _ sectors: Range<UInt64>
  ) throws(Errno) {
    let at = PageSize.base.roundDown(touch.address)
    _ = populate(own.number, at..<at + PageSize.base.bytes, isWrite: false)
    witness?.note(.injected(device: device, sectors: sectors, kind: .poison))
    let origin = FailureOrigin.injection(
      process: Int(own.host.process), thread: Int(touch.thread))
    for block in sectors.lowerBound >> 3..<(sectors.upperBound + 7) >> 3 {
      if let error = fail(block, origin, forces: true).error { throw error }
    }
  }
}
