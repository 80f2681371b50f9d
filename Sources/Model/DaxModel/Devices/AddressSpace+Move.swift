internal import PmemBase
internal import SystemPackage

extension AddressSpace {
  /// Judges mremap(): EFAULT unless what is resized is one window, EINVAL for a cut inside a huge page, ENOMEM if it can
  /// grow only by moving and may not.
  ///
  /// The new length and a fixed target are not checked against the alignment (INF): the kernel does not either, and every
  /// later touch is SIGBUS.
  ///
  /// Source: `mremap_to`, `vma_to_resize`, `move_vma`, mm/mremap.c (v6.12); measured in devdax-4k-api.scn (EFAULT).
  func judge(_ move: Move) throws(Errno) -> ChangePlan {
    for cut in [move.target, move.tail] {
      guard let cut, !cut.isEmpty else { continue }
      try checkSplit(at: cut.lowerBound)
      try checkSplit(at: cut.upperBound)
    }
    guard move.resizes, let window = window(at: move.address) else {
      return ChangePlan(address: move.address, length: move.oldLength, effect: .perform)
    }
    let source = move.address..<(move.address + move.kept)
    guard source.upperBound <= window.range.upperBound else { throw .badAddress }
    try checkSplit(window, at: source)
    if !move.mayMove, source.upperBound != window.range.upperBound { throw .noMemory }
    guard move.targetUnknown else {
      return ChangePlan(address: move.address, length: move.oldLength, effect: .perform)
    }
    return ChangePlan(
      address: move.address, length: move.oldLength, effect: .perform,
      alignment: window.alignment.bytes,
      congruence: DeviceDaxRules.congruence(
        offset: window.offset(of: move.address), length: move.newLength,
        alignment: window.alignment))
  }

  /// Carries out a move that the kernel has made.
  ///
  /// - Returns: The entries that are gone: of what was at the target, of the end that was cut off, and of huge pages
  ///   whose new place is off their alignment.
  mutating func perform(_ move: Move, to newAddress: UInt64) -> [ReleasedRun] {
    var released = remove(move.tail)
    if let target = move.target { released += remove(target) }
    guard move.resizes else { return released }
    let start = move.target?.lowerBound ?? newAddress
    guard
      PageSize.base.isAligned(start), start <= Self.end, move.newLength <= Self.end - start
    else {
      // No kernel answers that: the workload has lied about its own memory, and is left without it.
      return released + remove(move.address..<(move.address + move.kept))
    }
    guard let source = window(at: move.address) else { return released }
    let place = start..<(start + move.newLength)
    let offset = source.offset(of: move.address)

    // Whatever the model has in the way is gone: the kernel gives no place that is taken. A change there that is not
    // complete was a munmap, and must not take the new window when it completes.
    var moved: [Window] = []
    if move.oldLength > 0 {
      let old = move.address..<(move.address + move.kept)
      released += split(at: old.lowerBound) + split(at: old.upperBound)
      let taken = indices(touching: old)
      moved = Array(windows[taken])
      windows.removeSubrange(taken)
    }
    released += remove(place)
    for index in pending.indices { pending[index].exclude(place) }

    var window = Window(
      range: place, device: source.device, geometry: source.geometry, offset: offset,
      protection: source.protection, access: source.access)
    window.advice = source.advice
    for part in moved {
      let distance = part.range.lowerBound - move.address
      let travels =
        part.device == window.device && part.offset == offset &+ distance
        && window.alignment.isAligned(start &- move.address)
      guard travels else {
        released += part.released(in: part.range)
        continue
      }
      let shift = window.alignment.shift
      for run in part.presence.presentRuns(in: Window.slots(part.range, part.alignment)) {
        let by = start >> shift &- move.address >> shift
        window.presence.insert((run.lowerBound &+ by)..<(run.upperBound &+ by))
      }
    }
    insert(window)
    return released
  }
}
