internal import DaxModel
internal import Glibc
internal import Latency
public import LinuxSys
internal import Medium
internal import PageModel
internal import PmemBase
internal import Synchronization
public import SystemPackage

extension Workload {
  /// The fault thread: answers events until ``stopFaults(_:)``.
  ///
  /// Blocks in read(userfaultfd): a poll before it would cost another 0.3 µs for each fault.
  ///
  /// - Returns: `nil` when it was stopped; otherwise what read() failed with, and nobody answers any more.
  public func serveFaults() -> Errno? {
    defer { stopped.store(true, ordering: .releasing) }
    var batch = Userfaultfd.EventBatch()
    var again: [(address: UInt64, thread: Int32)] = []
    while !stopping.load(ordering: .relaxed) {
      let count: Int
      do throws(Errno) {
        count = try userfaultfd.read(into: &batch)
      } catch .interrupted {
        continue
      } catch .resourceTemporarilyUnavailable {
        count = 0
        // Non-blocking for our retries' sake; or the workload has set that, whose description it is.
        if again.isEmpty { userfaultfd.waitForEvent() } else { usleep(20) }
      } catch {
        return stopping.load(ordering: .relaxed) ? nil : error
      }
      let read = Clock.now()
      for index in 0..<count {
        guard case .fault(let address, let isMissing, let thread) = batch[index] else { continue }
        if fileFaults.isActive, answerFile(batch, index, by: thread, since: read) { continue }
        if !answer(address, isMissing: isMissing, by: thread, since: read) {
          again.append((address, thread))
        }
      }
      if !again.isEmpty { retry(&again) }
    }
    return nil
  }

  /// The kernel refuses insertions while an mremap is under way (`mmap_changing`), and that goes on until its event has been read:
  /// so read on without blocking until every page is in.
  private func retry(_ touches: inout [(address: UInt64, thread: Int32)]) {
    touches.removeAll { answer($0.address, isMissing: true, by: $0.thread, since: Clock.now()) }
    try? userfaultfd.setNonblocking(!touches.isEmpty)
  }

  /// Ends `serveFaults` in `thread`, and waits for it.
  public func stopFaults(_ thread: WorkerThread) {
    stopping.store(true, ordering: .sequentiallyConsistent)
    changeEnded.advance()
    while !stopped.load(ordering: .acquiring) {
      thread.interrupt()
      usleep(200)
    }
    thread.join()
  }

  /// Answers one fault: decide, take the reference, make the page visible.
  ///
  /// - Returns: `false` if the kernel asks to try again.
  func answer(_ address: UInt64, isMissing: Bool, by thread: Int32, since read: Ticks) -> Bool {
    guard usesAgent.load(ordering: .relaxed) else {
      switch step(address, isMissing: isMissing, by: thread, since: read) {
      case .done: return true
      case .again: return false
      case .poisoned: return consume(address, by: thread)
      case .agent:
        usesAgent.store(true, ordering: .sequentiallyConsistent)
        return answer(address, isMissing: isMissing, by: thread, since: read)
      }
    }
    // Not waited for: who has the turn may be waiting until the event of a move has been read.
    let taken = agentTurn.withLockIfAvailable { _ in
      let next = step(address, isMissing: isMissing, by: thread, since: read)
      if case .agent(let work) = next { perform(work, since: read) }
      return next
    }
    switch taken ?? .again {
    case .done, .agent: return true
    case .again: return false
    case .poisoned: return consume(address, by: thread)
    }
  }

  /// What is left to do about a touch.
  enum Step {
    case done
    case again
    /// The medium cannot give the page: the handler's, once no lock is held.
    case poisoned
    case agent(AgentWork)
  }

  /// What the agent has to map, decided and counted already.
  struct AgentWork {
    var decision: FaultDecision
    var counted: Ticks
  }

  /// Decides under the lock; installs there too where that is one ioctl.
  @inline(__always)
  private func step(
    _ address: UInt64, isMissing: Bool, by thread: Int32, since read: Ticks
  ) -> Step {
    state.withLock { state in
      guard !state.ended else { return .done }
      let decision = state.space.fault(at: address, around: options.around)
      switch decision {
      case .install(let index, let folios, let start, let length):
        let device = devices[index]
        let isQuiet = device.poison.isEmpty
        if isQuiet {
          device.noteFault()
        } else if let step = stepAroundPoison(&state, decision, address, by: thread, since: read) {
          return step
        }
        device.take(folios)
        let counted = Clock.now()
        // `add` has said that the agent is needed before it entered the window.
        guard device.medium.insertion == .continued else {
          return .agent(AgentWork(decision: decision, counted: counted))
        }
        switch install(device, folios, start, length, isMissing: isMissing) {
        case .installed:
          device.note(folios.count, read: read, counted: counted, installed: Clock.now())
          if !isQuiet { tellInserted(index, folios, at: start) }
          return .done
        case .again:
          state.space.retract(device: index, address: start, length: length)
          device.putBack(folios)
          device.forgetFault()
          return .again
        case .failed(let errno):
          state.space.retract(device: index, address: start, length: length)
          device.putBack(folios)
          if giveUp(start, length, errno) { return .done }
          device.forgetFault()
          let protection = state.space.window(at: start)?.protection ?? []
          return .agent(
            AgentWork(
              decision: .beyondDevice(
                device: index, address: start, length: length, protection: protection),
              counted: counted))
        }
      case .present(let index, let start, let length):
        // Another thread was first; or the entry went without our knowledge (a raw system call): then put it back, counted as it is.
        let device = devices[index]
        if device.poison.isEmpty {
          device.noteFault()
        } else if let step = stepAroundPoison(&state, decision, address, by: thread, since: read) {
          return step
        }
        if device.medium.insertion == .continued,
          case .again = install(device, 0..<0, start, length, isMissing: isMissing)
        {
          device.forgetFault()
          return .again
        }
        try? userfaultfd.wake(address: start, length: length)
        return .done
      case .wait:
        state.waiting.insert(PageSize.base.roundDown(address))
        return .done
      case .beyondDevice:
        return .agent(AgentWork(decision: decision, counted: read))
      case .unmapped:
        // The range went while the thread waited: it finds out by itself.
        endStray(&state, address & ~4095)
        try? userfaultfd.wake(address: address & ~4095, length: 4096)
        return .done
      }
    }
  }

  /// More than any change takes that is only not over yet.
  private static let strayTouches = 1000

  /// Memory that is watched and that nobody knows: a system call that no hook saw, or that failed half-way, has left it. Its touch would be told
  /// for ever; so in the end it is SIGBUS, or where something shows there the end of the process.
  private func endStray(_ state: inout State, _ page: UInt64) {
    if state.strays.count > 64 { state.strays = [:] }
    state.strays[page, default: 0] += 1
    guard state.strays[page]! > Self.strayTouches else { return }
    state.strays[page] = nil
    do throws(Errno) {
      try userfaultfd.poison(address: page, length: 4096)
    } catch .fileExists {
      BusError.kill(process: process)
    } catch {
      // It is gone, or changing.
    }
  }

  enum Installation {
    case installed
    case again
    case failed(Errno)
  }

  /// UFFDIO_CONTINUE of the range, filling the medium where it has no page yet.
  @inline(__always)
  func install(
    _ device: DaxDevice, _ folios: Range<Int>, _ address: UInt64, _ length: UInt64,
    isMissing: Bool
  ) -> Installation {
    var done: UInt64 = 0
    if !isMissing {
      do throws(Errno) {
        try userfaultfd.mapExisting(address: address, length: length, done: &done)
        return .installed
      } catch {}
    }
    return installSlowly(device, folios, address + done, address + length, address)
  }

  /// The same, page by page where something is in the way.
  func installSlowly(
    _ device: DaxDevice, _ folios: Range<Int>, _ from: UInt64, _ end: UInt64,
    _ origin: UInt64
  ) -> Installation {
    var at = from
    var filled = false
    while at < end {
      var done: UInt64 = 0
      do throws(Errno) {
        try userfaultfd.mapExisting(address: at, length: end - at, done: &done)
        at = end
      } catch {
        at += done
        switch error {
        case .fileExists:
          at += device.medium.pageBytes
        case .badAddress where !filled && !folios.isEmpty:
          filled = true
          do throws(Errno) {
            // Not while a page is out for a moment.
            try device.holes.withLock { _ throws(Errno) in
              try device.medium.fill(
                offset: device.offset(ofFolio: folios.lowerBound) + (at - origin),
                length: end - at)
            }
          } catch {
            return .failed(error)
          }
        // Something in the way of the rest, such as a page that is there already; the next round finds out.
        case .resourceTemporarilyUnavailable where done > 0: break
        case .resourceTemporarilyUnavailable: return .again
        default: return .failed(error)
        }
      }
    }
    // A page that was there already does not wake those who wait for it.
    try? userfaultfd.wake(address: origin, length: end - origin)
    return .installed
  }

  /// The agent's part; `agentTurn` is held, `state` is not.
  ///
  /// - Returns: `false` where no page could be had: a touch is SIGBUS now.
  @discardableResult
  func perform(_ work: AgentWork, since read: Ticks) -> Bool {
    switch work.decision {
    case .install(let index, let folios, let start, let length):
      let device = devices[index]
      let protection = state.withLock { $0.space.window(at: start)?.protection } ?? []
      do throws(Errno) {
        let offset = device.offset(ofFolio: folios.lowerBound)
        for run in device.poison.isEmpty
          ? [offset..<offset + length] : device.poison.healthy(in: offset..<offset + length)
        {
          try agent.insert(
            device: index, address: start + (run.lowerBound - offset), length: UInt64(run.count),
            offset: run.lowerBound, protection: protection)
        }
        device.note(
          folios.count, read: read, counted: work.counted, installed: Clock.now())
        if !device.poison.isEmpty { tellInserted(index, folios, at: start) }
        try? userfaultfd.wake(address: start, length: length)
        return true
      } catch {
        release(
          state.withLock {
            $0.space.retract(device: index, address: start, length: length)
          })
        if !giveUp(start, length, error) { withdraw(start, length, protection) }
      }
    case .beyondDevice(_, let start, let length, let protection):
      withdraw(start, length, protection)
    default:
      break
    }
    return false
  }

  /// No page can be had: the touch becomes SIGBUS, as on a device that fails. A process that is gone needs no answer.
  ///
  /// - Returns: `false` if this kernel cannot say so; then the agent has to, see `withdraw`.
  func giveUp(_ address: UInt64, _ length: UInt64, _ errno: Errno) -> Bool {
    switch errno {
    case .noSuchProcess, .noSuchFileOrDirectory, .brokenPipe, .connectionReset: break
    default:
      guard canPoison else { return false }
      do throws(Errno) {
        try userfaultfd.poison(address: address, length: length)
      } catch {
        return false
      }
    }
    try? userfaultfd.wake(address: address, length: length)
    return true
  }

  /// Has the agent map what is SIGBUS when it is touched; `agentTurn` is held.
  private func withdraw(_ address: UInt64, _ length: UInt64, _ protection: Protection) {
    try? agent.withdraw(address: address, length: length, protection: protection)
    state.withLock { _ = $0.condemned.remove(address) }
    try? userfaultfd.wake(address: address, length: length)
  }
}

extension DaxDevice {
  /// A reference and a mapcount for each folio: before it becomes visible.
  @inline(__always)
  func take(_ folios: Range<Int>) {
    pagemap.map(folios: folios)
    noteOwned(folios)
  }

  /// The folios did not become visible after all.
  func putBack(_ folios: Range<Int>) { pagemap.unmap(folios: folios) }

  @inline(__always)
  func note(_ folios: Int, read: Ticks, counted: Ticks, installed: Ticks) {
    noteInserted(folios)
    latencies.note(read: read, counted: counted, installed: installed)
  }
}
