public import DaxModel
internal import Latency
public import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// One address space with DAX windows: a process from its first mmap of a device to its exec or death.
///
/// Owns the userfaultfd, the model of the address space and the references that its page-table entries hold.
/// Three kinds of thread meet here: the fault thread (`serveFaults`), request threads (`add`, `begin` …) and the one that waits for the
/// process's end (`end`). `state` is the kernel's mmap_lock; it is never held while a peer is waited for. `agentTurn` comes before it
/// and is held while the agent maps something, so that no change of the address space begins, and no window comes, in between.
public final class Workload: Sendable {
  /// Names this address space in requests; nobody can guess it.
  public let token: UInt64
  public let process: Int32
  public let command: String

  let devices: [DaxDevice]
  let userfaultfd: Userfaultfd
  let agent: any Agent
  let options: InsertionOptions
  let poisonHandler: (any PoisonHandler)?
  /// By this the workload's library knows a signal of the server's: no number of a process.
  public let nonce = Int32.random(in: 1 << 30...Int32.max)
  /// When the process was started, in ticks since boot: the kernel goes through processes in this order.
  public let startTime: UInt64

  /// What the workload's lock guards.
  public struct State: Sendable {
    public var space = AddressSpace()
    /// Pages (of 4 KiB) touched in ranges under change: to be woken when that is over, and to fault again.
    var waiting: Set<UInt64> = []
    /// Pages (of 4 KiB) that the agent makes SIGBUS when they are touched again: where there are no markers.
    var condemned: Set<UInt64> = []
    /// Pages that are touched again and again in memory that is watched and no window, and how often.
    var strays: [UInt64: Int] = [:]
    public internal(set) var ended = false
  }
  let state = Mutex(State())
  let agentTurn = Mutex(())
  /// Some window needs the agent to insert its pages. Never goes back.
  let usesAgent = Atomic(false)
  /// A change is over, or everything is.
  let changeEnded = EventCount()
  /// This kernel can make a page's touch SIGBUS. Linux 6.6.
  let canPoison: Bool
  /// Windows of files.
  let fileFaults = FileFaults()
  /// Where the workload's library finds what a SIGBUS is to say.
  let notes: (any TouchNotes)?
  let stopping = Atomic(false)
  let stopped = Atomic(false)

  /// Takes over a userfaultfd just opened in `process`.
  ///
  /// - Parameters:
  ///   - poisonHandler: Is told of touches that consume an error; without it no device may have poison.
  ///   - withFiles: windows of files will be asked for; the kernel must offer ``fileFeatures``.
  /// - Throws: `.invalidArgument` when this kernel lacks a feature that `softdax check` lists.
  public init(
    process: Int32, command: String, devices: [DaxDevice],
    userfaultfd: consuming Userfaultfd, agent: any Agent, options: InsertionOptions,
    poisonHandler: (any PoisonHandler)? = nil, withFiles: Bool = false,
    notes: (any TouchNotes)? = nil
  ) throws(Errno) {
    let offered = try userfaultfd.handshake(
      withFiles ? Self.features.union(Self.fileFeatures) : Self.features)
    canPoison = offered.contains(.poison) && options.usesMarkers
    token = .unguessable()
    self.process = process
    self.command = command
    self.devices = devices
    self.userfaultfd = userfaultfd
    self.agent = agent
    self.options = options
    self.poisonHandler = poisonHandler
    self.notes = notes
    startTime = ProcessFacts.startTime(process)
  }

  /// What the kernel must offer: 5.14.
  public static let features: Userfaultfd.Features = [
    .remapEvents, .threadIdentifier, .missingHugetlb, .missingShmem, .minorHugetlb, .minorShmem,
  ]

  /// What windows of files need besides, and ``protectAbsent`` to be offered: 6.4.
  public static let fileFeatures: Userfaultfd.Features = [.protectionFlag, .protectShmem]

  // MARK: Windows

  /// The rules of mmap: what the real driver would refuse, and where the window may lie.
  ///
  /// Source: drivers/dax/device.c `__check_vma`, `dax_get_unmapped_area`; mm/mmap.c.
  public func plan(_ request: MapRequest, device: Int) throws(Errno) -> MapPlan {
    guard devices.indices.contains(device), devices[device].isEnabled else {
      throw .noSuchAddressOrDevice
    }
    return try DeviceDaxRules.map(request, on: devices[device].geometry)
  }

  /// Enters a window that the workload has mapped; from here on its touches are faults.
  ///
  /// - Parameters:
  ///   - entered: See ``AddressSpace``.
  ///   - populate: insert every page now, as MAP_POPULATE does.
  public func add(
    device: Int, address: UInt64, length: UInt64, offset: UInt64, protection: Protection,
    access: AccessMode, entered: UInt64? = nil, populate: Bool
  ) throws(Errno) {
    guard devices.indices.contains(device), length > 0, address < .max - length else {
      throw .invalidArgument
    }
    let dax = devices[device]
    try DeviceDaxRules.place(
      address: address, length: length, offset: offset, on: dax.geometry)
    let continued = dax.medium.insertion == .continued
    if !continued { usesAgent.store(true, ordering: .sequentiallyConsistent) }
    try whenUnchanging { state throws(Errno) in
      // It may have been disabled since the plan was made; from here on the window is one that disabling revokes.
      guard dax.isEnabled else { throw .noSuchAddressOrDevice }
      // Faults that come between the two wait for the lock.
      try userfaultfd.register(address: address, length: length, minor: continued)
      do throws(Errno) {
        try state.space.add(
          range: address..<address + length, device: device, geometry: dax.geometry,
          offset: offset, protection: protection, access: access, entered: entered)
      } catch {
        try? userfaultfd.unregister(address: address, length: length)
        throw error
      }
    }
    if populate || options.populates {
      // As mm_populate(): who touches what could not be inserted finds out why.
      try? self.populate(address: address, length: length)
    }
  }

  /// Windows of this address space that map `device`.
  public func maps(device: Int) -> Bool {
    state.withLock { $0.space.maps(device: device) }
  }

  /// Whether the folio has a page-table entry in this address space.
  public func hasEntry(device: Int, folio: Int) -> Bool {
    state.withLock { state in
      !state.ended && !state.space.addresses(ofFolio: folio, device: device).isEmpty
    }
  }

  // MARK: Changes

  /// Asks the model whether the change may be made, and stops faults in its range until it is complete.
  ///
  /// - Parameter scratch: for a zap of a remapped window: memory that the workload will move over the old pages.
  public func begin(
    _ change: Change, address: UInt64, length: UInt64, scratch: UInt64, id: UInt64
  ) throws(Errno) -> ChangePlan {
    let plan = try whenUnchanging { state throws(Errno) in
      try state.space.begin(change, address: address, length: length, id: id)
    }
    if scratch != 0 && plan.effect == .perform {
      do throws(Errno) {
        try userfaultfd.register(address: scratch, length: plan.length, minor: false)
      } catch {
        abandon(id: id)
        throw error
      }
    }
    do throws(Errno) {
      guard let filePlan = try beginFiles(change, address: address, length: length, id: id) else {
        return plan
      }
      if filePlan.effect != .perform { abandon(id: id) }
      return filePlan
    } catch {
      abandon(id: id)
      throw error
    }
  }

  /// The change has been made, or failed: gives back the references of what was unmapped and answers the faults that waited.
  ///
  /// - Parameter cut: Of the plan: where pages are to go that the host's kernel has left.
  public func complete(
    id: UInt64, succeeded: Bool, newAddress: UInt64, newLength: UInt64, cut: [Range<UInt64>] = []
  ) {
    completeFiles(id: id, succeeded: succeeded, newAddress: newAddress)
    let released = state.withLock { state in
      // Who was to meet an error there may be somewhere else now, and asks again.
      state.condemned = []
      return state.space.complete(
        id: id, succeeded: succeeded, newAddress: newAddress, newLength: newLength)
    }
    if succeeded { for addresses in cut { empty(addresses) } }
    release(released)
    wakeWaiting()
  }

  /// The change will not be made.
  public func abandon(id: UInt64) {
    completeFiles(id: id, succeeded: false, newAddress: 0)
    state.withLock { $0.space.abandon(id: id) }
    wakeWaiting()
  }

  /// Who waited for the end of a change touches again, and is answered as anyone else; so are the requests that met it.
  private func wakeWaiting() {
    let waiting = state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
    for page in waiting { try? userfaultfd.wake(address: page, length: PageSize.base.bytes) }
    changeEnded.advance()
  }

  /// Runs `body` under both locks, again and again as long as it throws EAGAIN: another change of its range is not complete, and is in
  /// the hands of another thread of the same workload.
  ///
  /// - Throws: What `body` throws, but for EAGAIN; ESRCH when the workload ends meanwhile.
  private func whenUnchanging<Result>(
    _ body: (inout State) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    while true {
      let seen = changeEnded.current
      do throws(Errno) {
        return try agentTurn.withLock { _ throws(Errno) in
          try state.withLock { state throws(Errno) in
            guard !state.ended, !stopping.load(ordering: .relaxed) else { throw .noSuchProcess }
            return try body(&state)
          }
        }
      } catch .resourceTemporarilyUnavailable {
        changeEnded.wait(beyond: seen)
      }
    }
  }

  // MARK: The end

  /// Gives back every reference; the fault thread must have stopped.
  public func end() {
    endFiles()
    let released = state.withLock { state in
      state.ended = true
      return state.space.removeAll()
    }
    release(released)
    changeEnded.advance()
  }

  func release(_ runs: [ReleasedRun]) {
    for run in runs {
      devices[run.device].pagemap.unmap(folios: run.folios)
      if !devices[run.device].poison.isEmpty {
        poisonHandler?.saw(.zapped(process: process, device: run.device, folios: run.folios))
      }
    }
  }
}

/// How eagerly pages are inserted.
public struct InsertionOptions: Sendable {
  /// Insert every page at mmap.
  public var populates: Bool
  /// Folios to insert with a faulting one, where they belong to the same window and are not there yet; 0 for none.
  public var around: Int
  /// Use UFFDIO_POISON where the kernel has it: Linux 6.6.
  public var usesMarkers: Bool

  public init(populates: Bool = false, around: Int = 0, usesMarkers: Bool = true) {
    self.populates = populates
    self.around = around
    self.usesMarkers = usesMarkers
  }
}

/// What touches that cannot succeed are told, where the marker in the page table says too little.
public protocol TouchNotes: AnyObject, Sendable {
  /// The next SIGBUS of a touch of the page says BUS_MCEERR_AR, this address (0: where it was touched) and this `si_addr_lsb`.
  func note(page: UInt64, address: UInt64, shift: UInt64)
}
