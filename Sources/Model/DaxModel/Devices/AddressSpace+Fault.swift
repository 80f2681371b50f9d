internal import PmemBase

extension AddressSpace {
  /// Decides what a touch of `address` gets, and marks what is to be installed as present.
  ///
  /// Cost: 10 to 20 ns; it allocates only for the first touch in 128 MiB of 4 KiB pages (64 GiB of 2 MiB pages).
  ///
  /// - Parameters:
  ///   - address: The touched address in the workload; any byte of the page.
  ///   - around: Install more than the folio that was touched: what is absent next to it, inside the naturally
  ///     aligned block of `around` folios (rounded down to a power of two). The run always holds the touched
  ///     folio and ends at the window, the device's end, a present folio or a changing range. 0 and 1: that folio only.
  ///
  /// Source: `dev_dax_huge_fault`, drivers/dax/device.c (v7.3): one order fits, every other is SIGBUS. Fault-around
  /// is the idea of `do_fault_around`, mm/memory.c; device-dax itself has none.
  public mutating func fault(at address: UInt64, around: Int = 0) -> FaultDecision {
    guard let index = find(address) else { return waitsUnmapped(address) ? .wait : .unmapped }
    let slot = address >> windows[index].alignment.shift
    if !pending.isEmpty, isChanging(windows[index].addresses(of: slot)) { return .wait }
    guard let limit = mappableEnd(index, slot) else { return beyond(index, slot) }
    if windows[index].presence.contains(slot) {
      let range = windows[index].addresses(of: slot)
      return .present(
        device: windows[index].device, address: range.lowerBound, length: UInt64(range.count))
    }
    guard around > 1, windows[index].geometry.straddling.isEmpty else {
      return install(index, slot..<(slot + 1))
    }
    let block = UInt64(1) << UInt64(around.bitWidth - 1 - around.leadingZeroBitCount)
    let start = slot & ~(block - 1)
    let free = clipped(
      start..<min(start + block, limit), to: index, keeping: slot)
    let presence = windows[index].presence
    let first = presence.absentBefore(endOf: free.lowerBound..<slot)
    return install(index, first..<presence.firstPresent(in: slot..<free.upperBound))
  }

  /// Finds the next run to insert ahead of any touch: MAP_POPULATE, MADV_POPULATE_*, eager insertion.
  ///
  /// Call it in a loop, with `next` of the last answer as `address`, until the decision is nil. Each answer is complete
  /// in itself and nothing is remembered, so the lock may be dropped between calls.
  ///
  /// - Parameters:
  ///   - address: Where to go on; bytes.
  ///   - end: Where to stop; bytes.
  ///   - limit: Folios at most in one run; at least 1.
  /// - Returns: `.install` (marked present, as by `fault`); `.wait` with the same address in `next`; `.beyondDevice`
  ///   (gup fails with EFAULT there); `.unmapped` for a stretch without a window (gup: ENOMEM), which `next` skips; nil
  ///   when nothing is left. Never `.present`: what is present is skipped.
  public mutating func populate(
    from address: UInt64, upTo end: UInt64, limit: Int
  ) -> (decision: FaultDecision?, next: UInt64) {
    precondition(limit > 0, "populate needs a limit of at least one folio, not \(limit)")
    var cursor = address
    while cursor < end {
      guard let index = find(cursor) else {
        if waitsUnmapped(cursor) { return (.wait, cursor) }
        let above = firstWindow(endingAfter: cursor)
        let next = above < windows.count ? min(end, windows[above].range.lowerBound) : end
        return (.unmapped, next)
      }
      let shift = windows[index].alignment.shift
      let slot = cursor >> shift
      if isChanging(windows[index].addresses(of: slot)) { return (.wait, cursor) }
      guard let limitSlot = mappableEnd(index, slot) else {
        return (beyond(index, slot), windows[index].addresses(of: slot).upperBound)
      }
      let stop = (end - 1) >> shift + 1
      let free = clipped(slot..<min(stop, limitSlot), to: index, keeping: slot)
      let first = windows[index].presence.firstAbsent(in: free)
      if first < free.upperBound {
        let most = min(free.upperBound, first + UInt64(limit))
        let last = windows[index].presence.firstPresent(in: first..<most)
        return (install(index, first..<last), last << shift)
      }
      cursor = free.upperBound << shift
    }
    return (nil, max(address, end))
  }

  // MARK: Private

  /// Whether an address without a window may get one from a change under way.
  ///
  /// A move has put its pages there already, perhaps, and the answer where is not in yet.
  private func waitsUnmapped(_ address: UInt64) -> Bool {
    pending.contains { $0.targetUnknown || $0.touches(address..<(address &+ 1)) }
  }

  /// The first slot above `slot` that the device cannot back; nil if `slot` itself is one.
  @inline(__always)
  private func mappableEnd(_ index: Int, _ slot: UInt64) -> UInt64? {
    guard windows[index].isMappable else { return nil }
    let folio = UInt64(windows[index].folio(of: slot))
    var count = windows[index].geometry.folioCount
    if !windows[index].geometry.straddling.isEmpty {
      let straddling = windows[index].geometry.straddling
      if straddling.contains(folio) { return nil }
      count = min(count, straddling.first { $0 > folio } ?? count)
    }
    return folio < count ? slot + (count - folio) : nil
  }

  private func beyond(_ index: Int, _ slot: UInt64) -> FaultDecision {
    let range = windows[index].addresses(of: slot)
    return .beyondDevice(
      device: windows[index].device, address: range.lowerBound, length: UInt64(range.count),
      protection: windows[index].protection)
  }

  @inline(__always)
  private mutating func install(_ index: Int, _ slots: Range<UInt64>) -> FaultDecision {
    let count = slots.upperBound - slots.lowerBound
    if count == 1 {
      windows[index].presence.insert(slots.lowerBound)
    } else {
      windows[index].presence.insert(slots)
    }
    let shift = windows[index].alignment.shift
    let folio = windows[index].folio(of: slots.lowerBound)
    return .install(
      device: windows[index].device, folios: folio..<(folio &+ Int(truncatingIfNeeded: count)),
      address: slots.lowerBound << shift, length: count << shift)
  }

  /// `slots` as far as they lie in the window and in no changing range, around `slot`, which does.
  private func clipped(
    _ slots: Range<UInt64>, to index: Int, keeping slot: UInt64
  ) -> Range<UInt64> {
    let shift = windows[index].alignment.shift
    let window = Window.slots(windows[index].range, windows[index].alignment)
    var low = max(slots.lowerBound, window.lowerBound)
    var high = min(slots.upperBound, window.upperBound)
    for change in pending {
      for range in change.ranges {
        if range.lowerBound >> shift > slot {
          high = min(high, range.lowerBound >> shift)
        } else if (range.upperBound - 1) >> shift < slot {
          low = max(low, (range.upperBound - 1) >> shift + 1)
        }
      }
    }
    return low..<high
  }
}
