internal import PmemBase
public import SystemPackage

extension AddressSpace {
  /// Judges a system call that changes mapped ranges, before it is made.
  ///
  /// If the answer is to perform it, the range is changing from now on: touches in it wait until `complete` or
  /// `abandon` with the same id. Otherwise nothing is under way, and the call has been dealt with.
  ///
  /// Only windows are judged. A range that touches none is to be performed, and the kernel judges it; where a range holds
  /// windows and other memory, the answers are those for the windows.
  ///
  /// - Parameters:
  ///   - change: The call; for a move, `length` is the old length.
  ///   - address: As the caller gave it, bytes.
  ///   - length: As the caller gave it, bytes, not rounded.
  ///   - id: Names the change; the caller's, and not in use.
  /// - Throws: What the call must fail with: EINVAL for a boundary inside a huge page and as in the man pages, EACCES,
  ///   ENODEV, EPERM, EFAULT, ENOMEM. EAGAIN is no answer for the workload: another change in the range is not
  ///   complete; wait for it and ask again.
  ///
  /// Source: `dev_dax_may_split`, drivers/dax/device.c; mm/mmap.c, mm/mprotect.c, mm/mremap.c, mm/madvise.c, mm/msync.c
  /// (v6.1, v7.3); measured in devdax-2m-api.scn and devdax-4k-api.scn of Tests/ScenarioData. What these do not do is
  /// inferred from the source.
  public mutating func begin(
    _ change: Change, address: UInt64, length: UInt64, id: UInt64
  ) throws(Errno) -> ChangePlan {
    precondition(!pending.contains { $0.id == id }, "change \(id) is under way already")
    var effective = change
    if case .advise(Advice.dontNeed) = change { effective = .zap }
    if case .advise(Advice.dontNeedLocked) = change { effective = .zap }

    let plan: ChangePlan
    var ranges: [Range<UInt64>] = []
    var targetUnknown = false
    switch effective {
    case .move(let newLength, let target, let mayMove, let fixed):
      let move = try Move(
        address: address, oldLength: length, newLength: newLength, target: target,
        mayMove: mayMove, fixed: fixed)
      guard move.ranges.contains(where: overlapsWindow) else {
        return ChangePlan(address: address, length: length, effect: .perform)
      }
      plan = try judge(move)
      ranges = move.ranges
      targetUnknown = move.targetUnknown
    default:
      guard overlapsWindow(Self.range(address, max(length, 1))) else {
        return ChangePlan(address: address, length: length, effect: .perform)
      }
      plan = try judge(effective, address, length)
      ranges = [Self.range(plan.address, plan.length)]
    }

    guard plan.effect == .perform else {
      if case .advise(let advice) = effective, plan.effect == .nothing, plan.length > 0 {
        let released = remember(advice, in: ranges[0])
        precondition(released.isEmpty, "what cuts an entry is to be performed")
      }
      return plan
    }
    guard !ranges.contains(where: isChanging) else { throw .resourceTemporarilyUnavailable }
    // Two cuts make three windows of one.
    guard windows.count + 2 <= Self.maximumWindows || effective == .unmap else { throw .noMemory }
    pending.append(
      PendingChange(
        id: id, change: effective, address: plan.address, length: plan.length, ranges: ranges,
        targetUnknown: targetUnknown))
    return plan
  }

  /// Forgets a change whose caller has gone: nothing was released, and touches go on.
  public mutating func abandon(id: UInt64) {
    pending.removeAll { $0.id == id }
  }

  // MARK: Judging

  private func judge(
    _ change: Change, _ address: UInt64, _ length: UInt64
  ) throws(Errno) -> ChangePlan {
    switch change {
    case .unmap: try judgeUnmap(address, length)
    case .zap: try judgeZap(address, length)
    case .protect(let protection): try judgeProtect(address, length, protection.known)
    case .sync(let flags): try judgeSync(address, length, flags)
    case .advise(let advice): try judgeAdvice(address, length, advice)
    case .move: preconditionFailure("a move is judged by its parts")
    }
  }

  /// Source: `do_vmi_munmap`, `__split_vma`, mm/mmap.c.
  private func judgeUnmap(_ address: UInt64, _ length: UInt64) throws(Errno) -> ChangePlan {
    let range = try Self.pages(address, length, overflow: .invalidArgument)
    guard !range.isEmpty else { throw .invalidArgument }
    try checkSplit(at: range.lowerBound)
    try checkSplit(at: range.upperBound)
    return .perform(range)
  }

  /// Part of a huge entry cannot be zapped: the whole one goes, and nothing is refused.
  ///
  /// Source: `__split_huge_pmd_locked`, mm/huge_memory.c (v7.3).
  private func judgeZap(_ address: UInt64, _ length: UInt64) throws(Errno) -> ChangePlan {
    let range = try Self.pages(address, length, overflow: .invalidArgument)
    guard !range.isEmpty else { return .nothing(range) }
    var low = range.lowerBound
    var high = range.upperBound
    if let first = window(at: low) {
      low = max(first.range.lowerBound, first.alignment.roundDown(low))
    }
    if let last = window(at: high - 1) {
      high = min(last.range.upperBound, last.alignment.roundUp(high) ?? high)
    }
    return .perform(low..<high)
  }

  /// A window that has the protection already is not split, wherever the boundary lies, nor is one whose part a neighbour swallows.
  ///
  /// Source: `do_mprotect_pkey`, `mprotect_fixup`, mm/mprotect.c (v6.12); VM_MAYWRITE, mm/mmap.c; devdax-mprotect-merge.scn.
  private func judgeProtect(
    _ address: UInt64, _ length: UInt64, _ protection: Protection
  ) throws(Errno) -> ChangePlan {
    guard PageSize.base.isAligned(address) else { throw .invalidArgument }
    if length == 0 { return .nothing(address..<address) }
    let range = try Self.pages(address, length, overflow: .noMemory)
    let cut = try checkSplits(in: range) { window throws(Errno) in
      guard window.protection != protection else { return false }
      if protection.contains(.write), window.access == .readOnly { throw .permissionDenied }
      window.protection = protection
      return true
    }
    return .perform(range, cut: cut)
  }

  /// MS_SYNC needs an fsync method, which the node has not.
  ///
  /// Source: `msync`, mm/msync.c (v6.1, v7.3): `vfs_fsync_range` without `->fsync` is EINVAL.
  private func judgeSync(
    _ address: UInt64, _ length: UInt64, _ flags: UInt32
  ) throws(Errno) -> ChangePlan {
    let asynchronous: UInt32 = 1
    let synchronous: UInt32 = 4
    guard
      flags & ~7 == 0, flags & (asynchronous | synchronous) != asynchronous | synchronous
    else { throw .invalidArgument }
    let range = try Self.pages(address, length, overflow: .noMemory)
    guard !range.isEmpty else { return .nothing(range) }
    // A mapping of a descriptor that cannot write is not VM_SHARED: its file is not asked.
    let isAsked = indices(touching: range).contains { windows[$0].access != .readOnly }
    guard flags & synchronous == 0 || !isAsked else { throw .invalidArgument }
    return covers(range) ? .nothing(range) : .perform(range)
  }

  // MARK: Boundaries

  /// The pages of a caller's range.
  ///
  /// - Parameters:
  ///   - overflow: What a range that reaches too far is answered with.
  ///   - end: Where the address space ends, if that is known better (TASK_SIZE).
  /// - Throws: EINVAL for an address inside a page; `overflow` for a range that no address space has.
  public static func pages(
    _ address: UInt64, _ length: UInt64, overflow: Errno = .invalidArgument,
    below end: UInt64 = AddressSpace.end
  ) throws(Errno) -> Range<UInt64> {
    guard PageSize.base.isAligned(address) else { throw .invalidArgument }
    guard let rounded = PageSize.base.roundUp(length), address <= end, rounded <= end - address
    else { throw overflow }
    return address..<(address + rounded)
  }

  /// `may_split`: a window of a huge device is not cut inside a huge page: `dev_dax_may_split`, drivers/dax/device.c (v6.1, v7.3).
  func checkSplit(at address: UInt64) throws(Errno) {
    guard let window = window(at: address), window.range.lowerBound != address else { return }
    guard window.alignment.isAligned(address) else { throw .invalidArgument }
  }

  /// As above, for what mprotect() and madvise() make of the windows in `range`, one after the other. A part that continues one of its
  /// neighbours becomes its, and the driver is not asked: a huge page that is cut so is unmapped, and its window's ends are off the
  /// alignment.
  ///
  /// - Parameter change: Gives a window what it is to have; false if it has that already.
  /// - Returns: Addresses of the huge pages that are cut and have an entry.
  ///
  /// Source: `vma_merge`, mm/mmap.c (v6.1), `vma_modify`, mm/vma.c (v6.12, v7.3); `vma_adjust_trans_huge`, mm/huge_memory.c; measured in
  /// devdax-mprotect-merge.scn.
  func checkSplits(
    in range: Range<UInt64>, _ change: (inout Window) throws(Errno) -> Bool
  ) throws(Errno) -> [Range<UInt64>] {
    var cut: [Range<UInt64>] = []
    let touched = indices(touching: range)
    var before = touched.lowerBound > 0 ? windows[touched.lowerBound - 1] : nil
    for index in touched {
      var part = windows[index]
      part.range = range.clamped(to: part.range)
      part.offset = windows[index].offset(of: part.range.lowerBound)
      if try change(&part) {
        let after = index + 1 < windows.count ? windows[index + 1] : nil
        let isSwallowed =
          before?.merges(with: part) == true || after.map { part.merges(with: $0) } == true
        if !isSwallowed { try checkSplit(windows[index], at: range) }
        cut += entriesCut(windows[index], at: range)
      }
      before = part
    }
    return cut
  }

  /// Addresses of the huge pages with an entry inside which `range` begins or ends.
  private func entriesCut(_ window: Window, at range: Range<UInt64>) -> [Range<UInt64>] {
    [range.lowerBound, range.upperBound].compactMap { boundary in
      guard !window.alignment.isAligned(boundary), window.isPresent(boundary) else { return nil }
      return window.addresses(of: boundary >> window.alignment.shift)
    }
  }

  /// As above, for one window at both ends of `range`.
  func checkSplit(_ window: Window, at range: Range<UInt64>) throws(Errno) {
    for boundary in [range.lowerBound, range.upperBound] {
      if boundary > window.range.lowerBound, boundary < window.range.upperBound,
        !window.alignment.isAligned(boundary)
      {
        throw .invalidArgument
      }
    }
  }
}

extension ChangePlan {
  static func perform(_ range: Range<UInt64>, cut: [Range<UInt64>] = []) -> ChangePlan {
    ChangePlan(
      address: range.lowerBound, length: UInt64(range.count), effect: .perform, cut: cut)
  }

  static func nothing(_ range: Range<UInt64>) -> ChangePlan {
    ChangePlan(address: range.lowerBound, length: UInt64(range.count), effect: .nothing)
  }

  static func populate(_ range: Range<UInt64>, failure: Errno?) -> ChangePlan {
    ChangePlan(
      address: range.lowerBound, length: UInt64(range.count), effect: .populate, failure: failure)
  }
}
