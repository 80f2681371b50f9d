internal import DaxModel
internal import ExtentFS
internal import Medium
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// Blocks of the mount's medium fail: the model decides (`FileFailure`, `KillPlan`), page tables lose the pages, processes are told.
///
/// The mount's lock is the kernel's `mf_mutex` here: one failure of the mount at a time.
extension MappedFiles {
  /// `memory_failure()` of a block: entries go, then signals are sent.
  ///
  /// - Parameters:
  ///   - origin: Processes and threads by their own numbers.
  ///   - forces: `current` is in no touch that could tell it: its signal is sent, too.
  /// - Returns: What it returns, and the signals that `current` is to be told by its touch.
  @discardableResult
  func fail(
    _ block: UInt64, _ origin: FailureOrigin, forces: Bool = false
  ) -> (error: Errno?, own: [SignalOrder]) {
    guard witness?.options.recovers != false else {
      witness?.panic(device: device, folio: Int(block))
      return (.ioError, [])
    }
    let failure = FileFailure(
      block, of: filesystem, blockCount: medium.size >> 12, kernel: filesystem.kernel)
    var own: [SignalOrder] = []
    var isTold = false
    for act in failure.acts {
      switch act {
      case .note, .flag: break
      case .shutDown(let reason): filesystem.shutDown(reason)
      case .panic: witness?.panic(device: device, folio: Int(block))
      case .kill(let mapping, let page):
        own += kill(mapping, page, block, origin, forces: forces, settle)
        isTold = true
      }
    }
    if !isTold {
      tell(
        block, origin,
        failure.error == .resourceBusy ? .ownerUnknown : .handled(KillPlan(merging: [])))
    }
    return (failure.error, own)
  }

  /// Collects, unmaps and signals for one page of one file.
  ///
  /// - Parameters:
  ///   - everyone: No policy is asked.
  ///   - settle: Takes from page tables what the model has taken.
  /// - Returns: The signals that `current` is to be told by its touch.
  func kill(
    _ mapping: FileMapping, _ page: UInt64, _ block: UInt64, _ origin: FailureOrigin,
    everyone: Bool = false, forces: Bool = false, _ settle: () -> Void
  ) -> [SignalOrder] {
    let (plan, hosts) = plan(mapping, page, origin, everyone: everyone)
    if let pages = plan.unmapped(around: page) { mapping.unmapPages(pages) }
    settle()
    tell(block, origin, .handled(plan))
    if plan.unmapShift != nil { witness?.note(.unmapped(device: device, folio: Int(block))) }
    return send(plan.orders, hosts, forces: forces)
  }

  /// Who is told of a page of a file.
  ///
  /// - Parameters:
  ///   - everyone: No policy is asked.
  ///   - kernel: By whose rules; nil: the mount's.
  func plan(
    _ mapping: FileMapping, _ page: UInt64, _ origin: FailureOrigin, everyone: Bool = false,
    kernel: KernelBehavior? = nil
  ) -> (plan: KillPlan, hosts: [Int: any WindowHost]) {
    var hosts: [Int: any WindowHost] = [:]
    let found = Candidate.mapping(
      page, of: mapping, kernel: kernel ?? filesystem.kernel,
      inOrder: { [spaces] left, right in
        guard let one = spaces[left]?.host, let other = spaces[right]?.host else {
          return left < right
        }
        return (one.startTime, one.process) < (other.startTime, other.process)
      },
      threads: { [spaces] space in
        guard let host = spaces[space]?.host, Int(host.process) != origin.current?.process else {
          return []
        }
        return host.threads()
      })
    let candidates = found.compactMap { candidate -> Candidate? in
      guard let host = spaces[candidate.process]?.host else { return nil }
      if !candidate.places.isEmpty { hosts[Int(host.process)] = host }
      return Candidate(
        process: Int(host.process), threads: candidate.threads, places: candidate.places)
    }
    let plan = KillPlan(
      candidates: candidates, origin: origin,
      sysctlEarlyKill: witness?.options.earlyKill ?? false, everyone: everyone)
    return (plan, hosts)
  }

  private func tell(_ block: UInt64, _ origin: FailureOrigin, _ result: GenericFailure) {
    witness?.note(.failed(device: device, folio: Int(block), origin: origin, result))
  }

  private func send(
    _ orders: [SignalOrder], _ hosts: [Int: any WindowHost], forces: Bool
  ) -> [SignalOrder] {
    var own: [SignalOrder] = []
    for order in orders {
      // Before the handler in the workload can say that it has come.
      witness?.note(.signalled(order))
      guard forces || order.code == .actionOptional else {
        own.append(order)
        continue
      }
      do throws(Errno) {
        try hosts[order.process]?.send(order, forces: forces && order.code == .actionRequired)
      } catch {
        witness?.note(.signalFailed(order, error: error.rawValue))
      }
    }
    return own
  }

  // MARK: Touches

  /// A machine check in a load or store: the handler runs with the thread as `current`, the sectors become known, and the touch is SIGBUS,
  /// in a system call EFAULT. May wait for agents.
  func consume(_ block: UInt64, _ space: Int, _ touch: FileTouch) -> FileTouchAnswer {
    let at = PageSize.base.roundDown(touch.address)
    guard let host = spaces[space]?.host else { return .done }
    guard touch.thread != 0 else {
      // MADV_POPULATE: a DAX fault of the kernel does not read the page.
      host.wake(at..<at + PageSize.base.bytes)
      return .done
    }
    let (_, own) = fail(
      block, .consumed(process: Int(host.process), thread: Int(touch.thread)))
    learn(block)
    return refuse(at, in: space, told: own.first.map { ($0.address, $0.shift) } ?? (at, 12))
  }

  /// The error was met: the page's bad sectors are known.
  private func learn(_ block: UInt64) {
    let page = MountMedia.bytes(block..<block + 1)
    let before = media.driver.badBlocks
    for run in media.driver.latent.ranges {
      let part = (run.lowerBound << 9..<run.upperBound << 9).clamped(to: page)
      if !part.isEmpty { media.driver.badBlocks.add(bytes: part) }
    }
    noteBadBlocks(before)
  }

  func noteBadBlocks(_ before: BadBlocks) {
    if media.driver.badBlocks != before { witness?.note(.badBlocksChanged(device: device)) }
  }

  /// The touch is SIGBUS, told as a memory error once; what later ones are told, the model says: so a marker stays where that is the
  /// same, and else memory whose touch is BUS_ADRERR. Both go when the page is good.
  ///
  /// - Parameter told: What the touch is told; nil: where it was, and one small page.
  func refuse(
    _ page: UInt64, in space: Int, told: (address: UInt64, shift: UInt64)?
  ) -> FileTouchAnswer {
    guard let host = spaces[space]?.host else { return .done }
    host.zap(page..<page + PageSize.base.bytes)
    if let told { host.note(page: page, address: told.address, shift: told.shift) }
    let stays = filesystem.kernel.faultsTellPoison
    if stays {
      spaces[space]!.markers.insert(page)
      hasMarkers = true
    }
    if !stays || !host.fail(page) {
      if told == nil { host.note(page: page, address: 0, shift: PageSize.base.shift) }
      putBeyond(page, in: space)
      host.wake(page..<page + PageSize.base.bytes)
    }
    return .done
  }

  /// What was put in a page's place for one touch goes; what is behind the file's end stays, and so does the marker of a page that the model
  /// says nobody has.
  func forgetRefusal(_ page: UInt64, in space: Int) {
    if let view = spaces[space]?.views[page]?.value,
      filesystem.openMapping(of: view.inode)?.entry(of: space, at: page) != nil,
      spaces[space]!.markers.remove(page) != nil
    {
      spaces[space]!.host.zap(page..<page + PageSize.base.bytes)
    }
    guard let present = spaces[space], present.backing[page]?.value == .beyond,
      let view = present.views[page]?.value,
      page >> 12 &+ view.shift < (filesystem.size(of: view.inode) + 4095) >> 12
    else { return }
    let addresses = page..<page + PageSize.base.bytes
    guard
      (try? present.host.place(.nothing, at: addresses, protection: protection(space, page)))
        != nil
    else { return }
    spaces[space]!.backing.set(addresses, nil)
  }

  /// A touch of the page is SIGBUS with BUS_ADRERR, by itself. Where the address space takes no memory that says so it is a marker's.
  func putBeyond(_ page: UInt64, in space: Int) {
    guard let present = spaces[space] else { return }
    let addresses = page..<page + PageSize.base.bytes
    do throws(Errno) {
      try present.host.place(.beyond, at: addresses, protection: protection(space, page))
      present.backing.set(addresses, .beyond)
      hasBeyond = true
    } catch .noSuchFileOrDirectory, .brokenPipe {
      // It is no window any more.
    } catch {
      // Else it would touch it for ever.
      guard present.host.fail(page) else { return present.host.kill() }
      present.markers.insert(page)
      hasMarkers = true
    }
  }
}
