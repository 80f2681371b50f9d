internal import DaxModel
internal import ExtentFS
public import Latency
internal import LinuxSys
internal import Medium
internal import PmemBase
internal import SystemPackage

/// A touch that a page table does not allow, as a userfaultfd tells it.
public struct FileTouch: Sendable {
  public let address: UInt64
  public let isWrite: Bool
  /// The page is there, and stores to it are told.
  public let isProtected: Bool
  /// Who touches, and meets what the medium cannot give; 0: nobody reads the page.
  public let thread: Int32
  /// When its event was read; of no meaning where nobody touched.
  public let read: Ticks

  public init(
    address: UInt64, isWrite: Bool, isProtected: Bool, thread: Int32,
    read: Ticks = Ticks(rawValue: 0)
  ) {
    self.address = address
    self.isWrite = isWrite
    self.isProtected = isProtected
    self.thread = thread
    self.read = read
  }
}

public enum FileTouchAnswer: Sendable {
  case done
  /// No window of this mount.
  case elsewhere
  /// The same again, by a thread that may wait for the agent.
  case needsAgent
}

extension MappedFiles {
  /// Answers a touch: the model decides, the page table is made so.
  ///
  /// - Parameter mayWait: Whether the thread may wait for agents and for the reader of the userfaultfd; who reads it may not.
  func touch(_ space: Int, _ touch: FileTouch, mayWait: Bool) -> FileTouchAnswer {
    let at = PageSize.base.roundDown(touch.address)
    let page = at..<at + PageSize.base.bytes
    guard let own = spaces[space], let view = own.views[at]?.value else { return .elsewhere }
    guard !own.isChanging(page) else {
      own.waiting.insert(at)
      return .done
    }
    // What may fail is decided once: a store that could not be made may leave the file another one. What takes a copy of a block
    // waits first until nobody can store to that.
    let needsCare = touch.thread != 0 && (faults + 1 >= alarm || watches)
    guard
      mayWait
        || media.isSound && stale.isEmpty && !needsCare
          && (!touch.isWrite
            || view.isShared
              && !filesystem.copiesOnWrite(view.inode, page: at >> 12 &+ view.shift))
    else { return .needsAgent }
    if needsCare { takeCare(own, view, touch) }
    let answer = answer(own, view, touch, mayWait: mayWait)
    if answer == .done, touch.thread != 0 { faults += 1 }
    return answer
  }

  private func answer(
    _ own: Space, _ view: View, _ touch: FileTouch, mayWait: Bool
  ) -> FileTouchAnswer {
    let (space, host) = (own.number, own.host)
    let at = PageSize.base.roundDown(touch.address)
    let page = at..<at + PageSize.base.bytes
    guard let mapping = mapping(view.inode) else {
      guard mayWait else { return .needsAgent }
      if !host.fail(at) { putBeyond(at, in: space) }
      host.wake(page)
      return .done
    }
    let answer = fault(mapping, space, view, touch)
    // The copy takes the page's place by itself.
    if case .copied = answer {
      stale.removeAll { $0.process == space && $0.isRemoval && $0.addresses == page }
    }
    guard mayWait || stale.isEmpty else { return .needsAgent }
    if mayWait { settle() }
    switch answer {
    case .present(let entry), .mapped(let entry, _):
      if case .anonymous = entry.target, !touch.isProtected, case .present = answer {
        // The copy went without our knowledge (a raw system call).
        withoutTelling(space) { mapping.zap(process: space, addresses: page) }
        return self.answer(own, view, touch, mayWait: mayWait)
      }
      if let first = entry.block {
        let block = first + (at >> 12 &+ view.shift) & (entry.size.pages - 1)
        if media.isBroken(block) {
          guard mayWait else { return .needsAgent }
          return consume(block, space, touch)
        }
      }
      return show(entry.target, entry.size, entry.isWritable, for: touch, own, view, mayWait)
    case .copied(.blocks(let block)):
      return show(.block(block), .base, true, for: touch, own, view, mayWait)
    case .copied: return show(.zero, .base, true, for: touch, own, view, mayWait)
    case .fatal(.addressError):
      guard mayWait else { return .needsAgent }
      putBeyond(at, in: space)
    case .fatal(.memoryError):
      guard mayWait else { return .needsAgent }
      return refuse(at, in: space, told: nil)
    case .outOfMemory: host.fail(at)
    // The kernel tells the thread itself.
    case .fatal(.accessError), .unmapped, .waits: break
    }
    host.wake(page)
    return .done
  }

  /// A store notes the time, as `file_update_time` does, once in a tick of 4 ms.
  private func fault(
    _ mapping: FileMapping, _ space: Int, _ view: View, _ touch: FileTouch
  ) -> FileFault {
    let isStore = touch.isWrite && view.isShared
    do throws(Errno) {
      return try service.volume.change(growth: isStore ? 4096 : 0) { fs throws(Errno) in
        let answer = mapping.fault(
          process: space, address: touch.address, write: touch.isWrite)
        if isStore {
          let (seconds, nanoseconds) = WallClock.now
          fs.clock = Timestamp(seconds: seconds, nanoseconds: nanoseconds & ~0x3f_ffff)
          fs.noteStored(view.inode)
        }
        return answer
      }
    } catch {
      return .fatal(.addressError(touch.address))
    }
  }

  // MARK: Making it so

  private func show(
    _ target: FilePTE.Target, _ size: PageSize, _ isWritable: Bool, for touch: FileTouch,
    _ own: Space, _ view: View, _ mayWait: Bool
  ) -> FileTouchAnswer {
    let host = own.host
    let address = PageSize.base.roundDown(touch.address)
    let page = address >> 12 &+ view.shift
    let counted = touch.thread == 0 ? touch.read : Clock.now()
    switch target {
    case .anonymous:
      // Write-protected with others around it.
      return again(own, touch, since: counted, mayWait) { () throws(Errno) in
        try host.protect(address..<address + 4096, false)
        return nil
      }
    case .zero:
      if own.backing[address] != nil {
        guard mayWait else { return .needsAgent }
        let placement = placeNothing(around: page, address, own, view)
        guard placement == .done else { return giveUp(own, touch, placement) }
      }
      return again(own, touch, since: counted, mayWait) { () throws(Errno) in
        try host.insertZeroes(at: address, isWritable: isWritable)
        return Inserted(address: address, blocks: nil)
      }
    case .block(let block):
      let start = size == .huge ? address &- (page & 511) << 12 : address
      let addresses = start..<start + size.bytes
      let wanted = Backing.medium(shift: block &- start >> 12)
      let present = own.backing[start]
      let isPlaced =
        present?.value == wanted && present!.addresses.upperBound >= addresses.upperBound
      if !isPlaced {
        guard mayWait else { return .needsAgent }
        let placement = place(wanted, around: page, addresses, own, view)
        guard placement == .done else { return giveUp(own, touch, placement) }
      }
      if isPlaced, touch.isProtected, isWritable {
        return again(own, touch, since: counted, mayWait) { () throws(Errno) in
          try host.protect(addresses, false)
          return nil
        }
      }
      return again(own, touch, since: counted, mayWait) {
        [medium, media] () throws(Errno) in
        do throws(Errno) {
          do throws(Errno) {
            // Of a huge entry only what the medium gives.
            guard size == .base || !media.isBroken(block..<block + size.pages) else {
              throw .fileExists
            }
            try host.insert(addresses, isWritable: isWritable)
          } catch .badAddress {
            // A hole of the medium reads as zeroes, too.
            try medium.fill(offset: block << 12, length: size.bytes)
            try host.insert(addresses, isWritable: isWritable)
          }
          return Inserted(address: start, blocks: block..<block + size.pages)
        } catch .fileExists {
          // Some of a huge entry is there: the rest comes when it is touched.
          try host.protect(addresses, !isWritable)
          let one = block + (address - start) >> 12
          try medium.fill(offset: one << 12, length: PageSize.base.bytes)
          try host.insert(address..<address + PageSize.base.bytes, isWritable: isWritable)
          return Inserted(address: address, blocks: one..<one + 1)
        }
      }
    }
  }

  /// While an mremap is under way nothing can be inserted; it ends when its event is read. What was there already is nil.
  private func again(
    _ own: Space, _ touch: FileTouch, since counted: Ticks, _ mayWait: Bool,
    _ insert: () throws(Errno) -> Inserted?
  ) -> FileTouchAnswer {
    while true {
      do throws(Errno) {
        if let inserted = try insert() { note(inserted, own.host, touch, since: counted) }
        return .done
      } catch .resourceTemporarilyUnavailable {
        guard mayWait else { return .needsAgent }
        Pause.short()
      } catch .noSuchFileOrDirectory, .noSuchProcess {
        // The range or the process is gone; who is left finds out by itself.
        return giveUp(own, touch, .again)
      } catch {
        guard mayWait else { return .needsAgent }
        return giveUp(own, touch, .failed)
      }
    }
  }

  enum Placement {
    case done
    /// The window is gone, or changes: who touches asks again.
    case again
    /// The address space takes no such memory: a limit of the process's (RLIMIT_AS, RLIMIT_DATA, vm.max_map_count), or the pages are sealed.
    case failed
  }

  /// Who touches goes on, without the page: as after a `vmf_error` of the kernel's, SIGBUS; the next touch is decided anew.
  private func giveUp(
    _ own: Space, _ touch: FileTouch, _ placement: Placement
  ) -> FileTouchAnswer {
    let page = PageSize.base.roundDown(touch.address)
    if placement == .failed, touch.thread != 0 { putBeyond(page, in: own.number) }
    own.host.wake(page..<page + PageSize.base.bytes)
    return .done
  }

  /// Puts the medium where it is not yet, as far as blocks are next to each other: one call of the agent for an extent.
  private func place(
    _ wanted: Backing, around page: UInt64, _ addresses: Range<UInt64>, _ own: Space, _ view: View
  ) -> Placement {
    guard case .medium(let shift) = wanted, var run = window(around: page, own.number, view) else {
      return .again
    }
    let first = addresses.lowerBound >> 12
    if let stretch = filesystem.stretch(of: view.inode, around: page),
      stretch.block(of: page) == shift &+ (page &- view.shift)
    {
      run = run.clamped(to: stretch.pages)
    } else {
      run = first &+ view.shift..<(first &+ view.shift) + UInt64(addresses.count) >> 12
    }
    var low = (run.lowerBound &- view.shift) << 12
    var high = (run.upperBound &- view.shift) << 12
    for part in own.backing.parts(in: low..<high) where part.value == wanted {
      if part.addresses.upperBound <= addresses.lowerBound {
        low = part.addresses.upperBound
      } else if part.addresses.lowerBound >= addresses.upperBound {
        high = min(high, part.addresses.lowerBound)
      }
    }
    func put(_ range: Range<UInt64>) -> Placement {
      self.put(
        .medium(offset: (range.lowerBound >> 12 &+ shift) << 12, isShared: view.isShared),
        wanted, at: range, own)
    }
    return put(low..<high) == .done ? .done : put(addresses)
  }

  private func placeNothing(
    around page: UInt64, _ address: UInt64, _ own: Space, _ view: View
  ) -> Placement {
    guard var run = window(around: page, own.number, view) else { return .again }
    run = run.clamped(
      to: filesystem.emptiness(of: view.inode, around: page, limit: run.upperBound))
    let low = (run.lowerBound &- view.shift) << 12
    let high = (run.upperBound &- view.shift) << 12
    return put(.nothing, nil, at: low..<high, own) == .done
      ? .done : put(.nothing, nil, at: address..<address + 4096, own)
  }

  /// The pages of the window around one that are no private copies, which nothing may be put over.
  private func window(around page: UInt64, _ space: Int, _ view: View) -> Range<UInt64>? {
    filesystem.openMapping(of: view.inode)?
      .window(of: space, at: (page &- view.shift) << 12)?.stretchWithoutCopies(around: page)
  }

  private func put(
    _ piece: WindowPiece, _ backing: Backing?, at addresses: Range<UInt64>, _ own: Space
  ) -> Placement {
    guard !own.isChanging(addresses) || addresses.count == 4096 else { return .again }
    do throws(Errno) {
      try own.host.place(
        piece, at: addresses, protection: protection(own.number, addresses.lowerBound))
      own.backing.set(addresses, backing)
      return .done
    } catch .noSuchFileOrDirectory, .brokenPipe {
      return .again
    } catch {
      return .failed
    }
  }

  // MARK: Ahead of the touch

  /// MAP_POPULATE, MADV_POPULATE_*, mlock: faults in up to 64 pages.
  ///
  /// - Parameter isWrite: As what; nil: as `populate_vma_page_range` chooses (mm/gup.c): a store if the window is private and may be written.
  /// - Returns: Where to go on.
  func populate(_ space: Int, _ range: Range<UInt64>, isWrite: Bool?) -> UInt64 {
    let end = min(range.upperBound, range.lowerBound + 64 << 12)
    for part in spaces[space]?.views.parts(in: range.lowerBound..<end) ?? [] {
      for page in part.addresses.lowerBound >> 12..<part.addresses.upperBound >> 12 {
        let address = page << 12
        let isWrite =
          isWrite ?? (!part.value.isShared && protection(space, address).contains(.write))
        if let entry = filesystem.openMapping(of: part.value.inode)?.entry(
          of: space, at: address), entry.isWritable || !isWrite
        {
          continue
        }
        _ = touch(
          space, FileTouch(address: address, isWrite: isWrite, isProtected: false, thread: 0),
          mayWait: true)
      }
    }
    return end
  }
}
