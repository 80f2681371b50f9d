public import DaxModel
public import FuseMount
internal import Latency
internal import LinuxSys
public import MemoryFailure
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Windows of files: the mount decides, this address space's userfaultfd and agent act.
///
/// Locks: the mount's comes first; it is never asked for with one of the workload's held.
extension Workload {
  /// Enters a window of a file that the workload has mapped as anonymous memory.
  ///
  /// - Parameter device: Of the mount's medium, for the agent.
  public func addFile(
    _ mount: FilesystemMount, device: Int, handle: UInt64, address: UInt64, length: UInt64,
    offset: UInt64, protection: Protection, isShared: Bool, isSynchronous: Bool = false
  ) throws(Errno) {
    guard length > 0, address < .max - length, (address | length | offset) & 4095 == 0 else {
      throw .invalidArgument
    }
    let space = try space(in: mount, device: device)
    try withoutChanges { () throws(Errno) in
      try mount.map(
        space, handle: handle, addresses: address..<address + length, offset: offset,
        protection: protection, isShared: isShared, isSynchronous: isSynchronous)
    }
  }

  /// Enters a private window of a file that a forked child has inherited.
  public func adoptPrivateFile(
    _ mount: FilesystemMount, device: Int, handle: UInt64, address: UInt64, length: UInt64,
    offset: UInt64, protection: Protection
  ) throws(Errno) {
    guard length > 0, address < .max - length, (address | length | offset) & 4095 == 0 else {
      throw .invalidArgument
    }
    let space = try space(in: mount, device: device)
    try mount.adoptPrivate(
      space, handle: handle, addresses: address..<address + length, offset: offset,
      protection: protection, process: process)
  }

  private func space(in mount: FilesystemMount, device: Int) throws(Errno) -> Int {
    try fileFaults.space(
      in: mount, host: { WorkloadPages(self, device: device) },
      carryOut: { [unowned self] job in carryOut(job) })
  }

  // MARK: Touches

  /// In the fault thread. - Returns: whether the touch is, or will be, answered.
  func answerFile(
    _ batch: Userfaultfd.EventBatch, _ index: Int, by thread: Int32, since read: Ticks
  ) -> Bool {
    guard case .fault(let address, let isMissing, _) = batch[index] else { return false }
    let touch = FileTouch(
      address: address, isWrite: batch.isWrite(index), isProtected: batch.isProtected(index),
      thread: thread, read: read)
    for one in fileFaults.mounts {
      switch one.mount.answer(touch, in: one.space, mayWait: false) {
      case .done: return true
      case .elsewhere: continue
      case .needsAgent:
        fileFaults.later(
          .answer(
            FileFaults.Touch(touch: touch, isMissing: isMissing, thread: thread, read: read)))
        return true
      }
    }
    guard usesAgent.load(ordering: .relaxed) else { return false }
    // A device's page that the agent maps: it may be busy with a file, and wait for us.
    fileFaults.later(
      .answer(
        FileFaults.Touch(touch: touch, isMissing: isMissing, thread: thread, read: read)))
    return true
  }

  private func carryOut(_ job: FileFaults.Job) {
    switch job {
    case .answer(let touch): answer(touch)
    case .zap(let addresses, let device): try? agent.zap(device: device, addresses)
    }
  }

  private func answer(_ job: FileFaults.Touch) {
    for one in fileFaults.mounts
    where one.mount.answer(job.touch, in: one.space, mayWait: true) == .done {
      return
    }
    while !stopping.load(ordering: .relaxed),
      !answer(job.touch.address, isMissing: job.isMissing, by: job.thread, since: job.read)
    {
      Pause.short()
    }
  }

  func populateFiles(_ range: Range<UInt64>, isWrite: Bool?) {
    for one in fileFaults.mounts { one.mount.populate(one.space, range, isWrite: isWrite) }
  }

  // MARK: Failures

  /// Which block of which mount is present at an address, and whether nobody else maps it.
  public func locateFile(
    _ address: UInt64
  ) -> (mount: FilesystemMount, block: UInt64, isExclusive: Bool)? {
    for one in fileFaults.mounts {
      guard let place = one.mount.locate(address, in: one.space) else { continue }
      return (one.mount, place.block, place.isExclusive)
    }
    return nil
  }

  /// A touch of a file was SIGBUS, and its thread has been told. Returns whether it was a memory error.
  public func wasToldOfFile(_ address: UInt64) -> Bool {
    fileFaults.mounts.contains { $0.mount.wasTold(address, in: $0.space) }
  }

  /// madvise(MADV_HWPOISON) of a file's page by a thread; nil where there is no window of a file.
  ///
  /// - Throws: As ``FilesystemMount/poison(_:in:thread:isSoftOffline:)``.
  public func poisonFile(
    _ address: UInt64, thread: Int32, isSoftOffline: Bool
  ) throws(Errno) -> (step: UInt64, signal: SignalOrder?)? {
    for one in fileFaults.mounts {
      if let done = try one.mount.poison(
        address, in: one.space, thread: thread, isSoftOffline: isSoftOffline)
      {
        return done
      }
    }
    return nil
  }

  // MARK: Changes

  func beginFiles(
    _ change: Change, address: UInt64, length: UInt64, id: UInt64
  ) throws(Errno) -> ChangePlan? {
    var plan: ChangePlan?
    for one in fileFaults.mounts {
      let found = try withoutChanges { () throws(Errno) in
        try one.mount.begin(
          change, in: one.space, address: address, length: length, id: id)
      }
      plan = found ?? plan
    }
    return plan
  }

  func completeFiles(id: UInt64, succeeded: Bool, newAddress: UInt64) {
    for one in fileFaults.mounts {
      one.mount.complete(
        in: one.space, id: id, succeeded: succeeded, newAddress: newAddress)
    }
  }

  /// Again and again while another change of the range is under way.
  private func withoutChanges<Result>(
    _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    while true {
      let seen = changeEnded.current
      do throws(Errno) {
        guard !stopping.load(ordering: .relaxed) else { throw .noSuchProcess }
        return try body()
      } catch .resourceTemporarilyUnavailable {
        changeEnded.wait(beyond: seen)
      } catch .resourceBusy {
        // Pages of a file are pinned, and who gives them back does not know us.
        Pause.milliseconds(1)
      }
    }
  }

  func endFiles() { fileFaults.end() }
}

/// A workload's page tables, for one mount.
final class WorkloadPages: WindowHost {
  private unowned let workload: Workload
  private let device: Int

  init(_ workload: Workload, device: Int) {
    self.workload = workload
    self.device = device
  }

  func place(
    _ piece: WindowPiece, at addresses: Range<UInt64>, protection: Protection
  ) throws(Errno) {
    try workload.agent.place(piece, device: device, at: addresses, protection: protection)
  }

  /// A block is somebody else's when this returns. So a process that keeps its page-table entries (the host's kernel lets its agent do nothing
  /// to memory that is sealed) can store through them no more from here on, and is killed. One whose agent does not answer is gone, or going.
  func zap(_ addresses: Range<UInt64>) {
    do throws(Errno) {
      try workload.agent.zap(device: device, addresses)
    } catch {
      stopStores(addresses)
      if error != .brokenPipe { kill() }
    }
  }

  /// Without the agent; page by page where not all of the range is watched.
  private func stopStores(_ addresses: Range<UInt64>) {
    while true {
      do throws(Errno) {
        return try workload.userfaultfd.protect(
          address: addresses.lowerBound, length: UInt64(addresses.count), true)
      } catch .resourceTemporarilyUnavailable {
        // An mremap is under way.
        Pause.short()
      } catch .noSuchProcess {
        return
      } catch {
        guard addresses.count > PageSize.base.bytes else { return }
        let middle = addresses.lowerBound + UInt64(addresses.count) / 2 & ~4095
        stopStores(addresses.lowerBound..<middle)
        return stopStores(middle..<addresses.upperBound)
      }
    }
  }

  func zapLater(_ addresses: Range<UInt64>) {
    workload.fileFaults.later(.zap(addresses, device: device))
  }

  func insert(_ addresses: Range<UInt64>, isWritable: Bool) throws(Errno) {
    var done: UInt64 = 0
    let length = UInt64(addresses.count)
    do throws(Errno) {
      try workload.userfaultfd.mapExisting(
        address: addresses.lowerBound, length: length, isProtected: !isWritable, done: &done)
    } catch .fileExists where length == PageSize.base.bytes {
      // It is there: what it allows may be another.
      try protect(addresses, !isWritable)
      wake(addresses)
    }
  }

  func insertZeroes(at address: UInt64, isWritable: Bool) throws(Errno) {
    do throws(Errno) {
      try workload.userfaultfd.zero(address: address, isProtected: !isWritable)
    } catch .fileExists {
      try workload.userfaultfd.protect(
        address: address, length: PageSize.base.bytes, !isWritable)
      wake(address..<address + PageSize.base.bytes)
    }
  }

  func protect(_ addresses: Range<UInt64>, _ on: Bool) throws(Errno) {
    try workload.userfaultfd.protect(
      address: addresses.lowerBound, length: UInt64(addresses.count), on)
  }

  func wake(_ addresses: Range<UInt64>) {
    try? workload.userfaultfd.wake(
      address: addresses.lowerBound, length: UInt64(addresses.count))
  }

  func fail(_ address: UInt64) -> Bool {
    guard workload.canArm else { return false }
    let length = PageSize.base.bytes
    try? workload.userfaultfd.forgetProtection(address: address, length: length)
    while true {
      do throws(Errno) {
        try workload.userfaultfd.poison(address: address, length: length)
      } catch .resourceTemporarilyUnavailable {
        // An mremap is under way.
        Pause.short()
        continue
      } catch {
        // It is there already, or the process is gone.
      }
      wake(address..<address + length)
      return true
    }
  }

  func kill() { BusError.kill(process: workload.process) }

  var process: Int32 { workload.process }
  var command: String { workload.command }
  var startTime: UInt64 { workload.startTime }
  func threads() -> [Candidate.Thread] { workload.threads }
  func send(_ order: SignalOrder, forces: Bool) throws(Errno) {
    try workload.send(order, forces: forces)
  }
  func note(page: UInt64, address: UInt64, shift: UInt64) {
    workload.notes?.note(page: page, address: address, shift: shift)
  }

  func register(_ addresses: Range<UInt64>, ofMedium: Bool) throws(Errno) {
    try workload.userfaultfd.register(
      address: addresses.lowerBound, length: UInt64(addresses.count), minor: ofMedium,
      protects: true)
  }
}
