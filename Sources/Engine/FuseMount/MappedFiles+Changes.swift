internal import DaxModel
internal import ExtentFS
internal import PmemBase
internal import SystemPackage

/// mmap, and the calls that change what was mapped: in two phases, as for devices. While one is under way touches in its range wait.
extension MappedFiles {
  /// Enters a window that the workload has mapped and nobody has touched.
  ///
  /// - Throws: ENODEV for a file that is gone, EAGAIN while a change is under way in the range.
  func map(
    _ space: Int, _ handle: WindowHandles.File, _ range: Range<UInt64>, offset: UInt64,
    protection: Protection, isShared: Bool, isSynchronous: Bool
  ) throws(Errno) {
    guard let present = spaces[space] else { throw .noSuchProcess }
    guard !present.isChanging(range) else { throw .resourceTemporarilyUnavailable }
    guard let mapping = mapping(handle.inode) else { throw .operationNotSupportedByDevice }
    // What a call that nobody saw has left behind: the kernel says that the place was free.
    forget(space, range)
    let view = View(
      inode: handle.inode, access: handle.access, isShared: isShared,
      shift: offset >> 12 &- range.lowerBound >> 12)
    if !uses(space, handle.inode) { try filesystem.get(handle.inode) }
    spaces[space]!.views.set(range, view)
    mapping.map(
      process: space, addresses: range, firstPage: offset >> 12, protection: protection,
      isShared: isShared, isSynchronous: isSynchronous)
  }

  private func uses(_ space: Int, _ inode: UInt64) -> Bool {
    spaces[space]?.views.runs.contains { $0.value.inode == inode } ?? false
  }

  /// The windows in a range are there no more.
  func forget(_ space: Int, _ range: Range<UInt64>) {
    let parts = spaces[space]?.views.parts(in: range) ?? []
    guard !parts.isEmpty else { return }
    withoutTelling(space) {
      for part in parts {
        filesystem.openMapping(of: part.value.inode)?.unmap(
          process: space, addresses: part.addresses)
      }
    }
    spaces[space]!.views.set(range, nil)
    spaces[space]!.backing.set(range, nil)
    spaces[space]!.markers = spaces[space]!.markers.filter { !range.contains($0) }
    for inode in Set(parts.map(\.value.inode)) where !uses(space, inode) { put(inode) }
  }

  // MARK: Two phases

  /// - Returns: nil if no window is concerned.
  /// - Throws: What the call must fail with; EAGAIN for the caller of this: again, when another change is over; EBUSY: again, when nothing is pinned.
  func begin(
    _ space: Int, _ change: Change, address: UInt64, length: UInt64, id: UInt64
  ) throws(Errno) -> ChangePlan? {
    let range = Self.range(address, length)
    var target: Range<UInt64> = 0..<0
    if case .move(let newLength, let to?, _, true) = change { target = Self.range(to, newLength) }
    guard let present = spaces[space] else { return nil }
    let parts = present.views.parts(in: range)
    guard !parts.isEmpty || !present.views.parts(in: target).isEmpty else { return nil }
    guard !present.isChanging(range), !present.isChanging(target) else {
      throw .resourceTemporarilyUnavailable
    }
    func plan(_ effect: ChangePlan.Effect) -> ChangePlan {
      ChangePlan(
        address: range.lowerBound, length: UInt64(range.count), effect: effect)
    }
    switch change {
    case .zap, .advise(Advice.dontNeed), .advise(Advice.dontNeedLocked):
      for part in parts {
        filesystem.openMapping(of: part.value.inode)?.zap(
          process: space, addresses: part.addresses)
      }
      return plan(.nothing)
    case .advise(let advice):
      return plan(try advise(space, advice, parts))
    case .protect(let protection):
      for part in parts
      where part.value.isShared && protection.contains(.write)
        && part.value.access != .readWrite
      {
        throw .permissionDenied
      }
    case .sync(let flags):
      // MS_SYNC; the others do nothing, and nothing is done for a descriptor for reading (`do_mmap`: no VM_SHARED).
      if flags & 4 != 0 {
        for part in parts where part.value.isShared && part.value.access == .readWrite {
          let first = part.addresses.lowerBound >> 12 &+ part.value.shift
          _ = try service.volume.change { fs throws(Errno) in
            try fs.synchronize(
              part.value.inode, pages: first..<first + UInt64(part.addresses.count) >> 12)
          }
        }
      }
    case .unmap, .move: break
    }
    spaces[space]!.changes.append(
      Pending(id: id, change: change, addresses: range, target: target))
    return plan(.perform)
  }

  /// - Returns: What is left for the engine or the kernel to do.
  private func advise(
    _ space: Int, _ advice: Int32, _ parts: [AddressRuns<View>.Run]
  ) throws(Errno) -> ChangePlan.Effect {
    switch advice {
    case Advice.populateRead, Advice.populateWrite: return .populate
    case Advice.remove:
      for part in parts {
        guard part.value.isShared, part.value.access == .readWrite,
          protection(space, part.addresses.lowerBound).contains(.write)
        else { throw .permissionDenied }
        let first = part.addresses.lowerBound >> 12 &+ part.value.shift
        let progress = try service.volume.change { fs throws(Errno) in
          try fs.allocate(
            part.value.inode, .punchHole, at: first << 12, count: UInt64(part.addresses.count),
            keepsSize: true)
        }
        // Somebody has pinned pages of the file.
        guard progress == .done else { throw .resourceBusy }
      }
      return .nothing
    case Advice.free, Advice.wipeOnFork: throw .invalidArgument
    case Advice.keepOnFork: return .nothing
    case Advice.hugePage, Advice.noHugePage:
      for part in parts {
        filesystem.openMapping(of: part.value.inode)?.setAllowsHuge(
          process: space, addresses: part.addresses, advice == Advice.hugePage)
      }
      return .nothing
    case Advice.dontFork, Advice.doFork:
      // Kept in the window itself: a part becomes one, behind the others in the file's order.
      for part in parts {
        filesystem.openMapping(of: part.value.inode)?.separate(
          process: space, addresses: part.addresses)
      }
      return .perform
    // Of the medium's pages nothing is to be merged, moved out or aged; what concerns the mapping alone is the kernel's.
    case Advice.mergeable, Advice.unmergeable, Advice.cold, Advice.pageOut: return .nothing
    default: return .perform
    }
  }

  /// The call is over: made, or not.
  func complete(_ space: Int, id: UInt64, succeeded: Bool, newAddress: UInt64) {
    guard let index = spaces[space]?.changes.firstIndex(where: { $0.id == id }) else { return }
    let change = spaces[space]!.changes.remove(at: index)
    if succeeded {
      switch change.change {
      case .unmap: forget(space, change.addresses)
      case .protect(let protection):
        for part in spaces[space]!.views.parts(in: change.addresses) {
          filesystem.openMapping(of: part.value.inode)?.protect(
            process: space, addresses: part.addresses, protection)
        }
      case .move: move(space, change, to: newAddress)
      default: break
      }
    }
    let waiting = spaces[space]!.waiting
    spaces[space]!.waiting = []
    for page in waiting { spaces[space]!.host.wake(page..<page + 4096) }
  }

  /// The memory itself has moved, private copies with it; entries of pages of the medium are made anew when they are touched.
  private func move(_ space: Int, _ change: Pending, to address: UInt64) {
    let old = change.addresses
    let (end, isTooFar) = address.addingReportingOverflow(UInt64(old.count))
    // What no kernel says.
    guard PageSize.base.isAligned(address), !isTooFar, end < 1 << 63 else { return }
    let views = spaces[space]!.views.parts(in: old)
    let backing = spaces[space]!.backing.parts(in: old)
    let target = address..<end
    var windows: [(FileMapping, FileWindow, View, Range<UInt64>)] = []
    for part in views {
      guard let mapping = filesystem.openMapping(of: part.value.inode) else { continue }
      var at = part.addresses.lowerBound
      while at < part.addresses.upperBound, let window = mapping.window(of: space, at: at) {
        let piece = window.addresses.clamped(to: part.addresses)
        windows.append((mapping, window, part.value, piece))
        at = piece.upperBound
      }
    }
    func moved(_ range: Range<UInt64>) -> Range<UInt64> {
      range.lowerBound &- old.lowerBound &+ address..<range.upperBound &- old.lowerBound &+ address
    }
    // So that no inode ends in between.
    let inodes = Set(views.map(\.value.inode))
    for inode in inodes { try? filesystem.get(inode) }
    forget(space, change.target)
    forget(space, target)
    forget(space, old)
    for (mapping, window, view, piece) in windows {
      let new = moved(piece)
      if !uses(space, view.inode) { try? filesystem.get(view.inode) }
      spaces[space]!.views.set(
        new,
        View(
          inode: view.inode, access: view.access, isShared: view.isShared,
          shift: view.shift &+ piece.lowerBound >> 12 &- new.lowerBound >> 12))
      mapping.map(
        process: space, addresses: new, firstPage: window.page(at: piece.lowerBound),
        protection: window.protection, isShared: window.isShared,
        isSynchronous: window.isSynchronous, allowsHuge: window.allowsHuge)
      mapping.adopt(
        process: space,
        copies: window.copies.compactMap(window.address).filter(piece.contains).map {
          $0 &- old.lowerBound &+ address
        })
      // What came along of other pages is not in the model: it goes.
      stale.append(PageTableChange(process: space, addresses: new, isRemoval: false))
      zapAllButCopies(space, new, mapping)
    }
    for run in backing {
      let new = moved(run.addresses)
      var value = run.value
      if case .medium(let shift) = value {
        value = .medium(shift: shift &+ run.addresses.lowerBound >> 12 &- new.lowerBound >> 12)
      }
      spaces[space]!.backing.set(new, value)
    }
    for inode in inodes { put(inode) }
  }

  /// Entries that the model does not know are taken from the page table.
  func zapAllButCopies(_ space: Int, _ range: Range<UInt64>, _ mapping: FileMapping) {
    guard let window = mapping.window(of: space, at: range.lowerBound) else { return }
    var at = range.lowerBound
    let copies = window.copies.compactMap(window.address).filter(range.contains).sorted()
    for copy in copies + [range.upperBound] {
      if at < copy {
        stale.append(
          PageTableChange(process: space, addresses: at..<copy, isRemoval: true))
      }
      at = copy + 4096
    }
  }

  /// Whole pages; as far as addresses go.
  static func range(_ address: UInt64, _ length: UInt64) -> Range<UInt64> {
    let low = PageSize.base.roundDown(address)
    let (end, isTooFar) = address.addingReportingOverflow(length)
    return low..<max(low, isTooFar ? UInt64.max & ~4095 : PageSize.base.roundUp(end) ?? low)
  }
}
