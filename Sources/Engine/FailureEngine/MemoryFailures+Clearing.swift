internal import DaxModel
internal import FaultEngine
internal import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Errors go.
extension MemoryFailures {
  /// Makes the sectors good: bad ones read zero afterwards, those that were good keep their bytes, and they are no bad blocks any
  /// more. Who touched one before and touches it again gets the page.
  ///
  /// - Returns: Bytes that are good for sure now: all that was asked for.
  /// - Throws: `.outOfRange`, `.invalidArgument`; `.resourceBusy`: a workload is stopped inside a call that changes a window of such a
  ///   page; what writing the medium failed with. The sectors are as bad as before then.
  ///
  /// Source: ND_CMD_CLEAR_ERROR; `nvdimm_clear_poison`, drivers/nvdimm/bus.c (v7.3).
  @discardableResult
  public func clear(device: Int, sectors: Range<UInt64>) throws(Errno) -> UInt64 {
    let bytes = try bytes(of: sectors, on: device)
    try state.withLock { state throws(Errno) in
      try heal(&state, device, sectors, zeroes: true)
      let known = state.media[device].known
      state.media[device].known.clear(bytes: bytes)
      tell(state, .cleared(device: device, sectors: sectors))
      if state.media[device].known != known { tell(state, .badBlocksChanged(device: device)) }
    }
    return UInt64(bytes.count)
  }

  /// Takes injections back: the medium gives the sectors again; what is known of them stays known.
  ///
  /// - Parameter zeroes: What they hold is lost.
  /// - Throws: As ``clear(device:sectors:)``.
  ///
  /// Source: ACPI 6.2, 9.20.7.10.
  public func withdraw(
    device: Int, sectors: Range<UInt64>, zeroes: Bool = false
  ) throws(Errno) {
    _ = try bytes(of: sectors, on: device)
    try state.withLock { state throws(Errno) in
      try heal(&state, device, sectors, zeroes: zeroes)
      tell(state, .cleared(device: device, sectors: sectors))
    }
  }

  /// Forgets the whole sectors in `bytes` as bad blocks, whatever the medium is like.
  public func forget(device: Int, bytes: Range<UInt64>) {
    state.withLock { state in
      let known = state.media[device].known
      state.media[device].known.clear(bytes: bytes)
      if state.media[device].known != known { tell(state, .badBlocksChanged(device: device)) }
    }
  }

  private func heal(
    _ state: inout State, _ device: Int, _ sectors: Range<UInt64>, zeroes: Bool
  ) throws(Errno) {
    let dax = devices[device]
    let granule = Unmapper.granule(dax)
    let bad = state.media[device].injected.ranges.filter { $0.overlaps(sectors) }
      .map { $0.clamped(to: sectors) }
    // Nobody has these pages mapped, and nobody gets them: who touches one now waits for this lock.
    if zeroes {
      for run in bad {
        try unmapper.writeZeroes(dax, run.lowerBound * 512..<run.upperBound * 512)
      }
    }
    var left = state.media[device].injected
    left.clear(bytes: sectors.lowerBound * 512..<sectors.upperBound * 512)
    let healed = Self.blocks(of: bad, granule).filter { block in
      !left.contains(anyOf: block * granule..<(block + 1) * granule)
    }
    if dax.medium.insertion == .remapped {
      // Markers go with the memory; and who was said to have the page all the time has it no more.
      let shift = UInt64(dax.geometry.alignment.shift)
      for folio in Set(healed.map { ($0 * granule) >> shift }).sorted() {
        try empty(
          device, folio << shift..<(folio + 1) << shift, revoking: Int(folio)..<Int(folio) + 1)
      }
      state.media[device].marked.subtract(healed)
    }
    for block in healed where state.media[device].marked.contains(block) {
      try disarm(device, block * granule..<(block + 1) * granule)
      state.media[device].marked.remove(block)
    }
    state.media[device].injected = left
    generation?.advance()
    for block in healed {
      for page in block * granule >> 12..<(block + 1) * granule >> 12 {
        dax.poison.remove(page: Int(page))
      }
    }
  }

  /// The granules that the sectors touch, each once, ascending.
  private static func blocks(of sectors: [Range<UInt64>], _ granule: UInt64) -> [UInt64] {
    var blocks: [UInt64] = []
    for run in sectors {
      let first = run.lowerBound * BadBlocks.sectorSize / granule
      let last = (run.upperBound * BadBlocks.sectorSize - 1) / granule
      blocks += (first...last).drop { $0 == blocks.last }
    }
    return blocks
  }

  /// Takes the markers of one granule away, in every alias: the page over the marker, and then the page again out of every page
  /// table, so that no entry stays that nobody has counted.
  private func disarm(_ device: Int, _ bytes: Range<UInt64>) throws(Errno) {
    let dax = devices[device]
    let folio = Int(bytes.lowerBound >> dax.geometry.alignment.shift)
    // Where a marker is that travels with an mremap is known when that is over.
    let patience = 1000
    for _ in 0..<patience {
      var isBusy = false
      var error: Errno?
      var taken = 0
      for workload in ordered() where !workload.canArm {
        do throws(Errno) {
          try awaiting(workload) { () throws(Errno) in
            try workload.restore(device: device, bytes)
          }
        } catch .resourceTemporarilyUnavailable { isBusy = true }
      }
      Workload.holding(ordered()[...]) { workload, space in
        guard !space.ended else { return }
        for address in space.space.addresses(of: bytes, device: device) {
          if space.space.isChanging(address..<address + 1) { isBusy = true }
          do throws(Errno) {
            // Counted while it is visible.
            dax.pagemap.map(folio: folio)
            taken += 1
            try workload.removeMarker(page: address, bytes: UInt64(bytes.count))
          } catch { isBusy = true }
        }
      } act: {
        do throws(Errno) { try unmapper.unmap(dax, bytes) } catch let caught { error = caught }
      } last: { _, _ in
      }
      for _ in 0..<taken { dax.pagemap.unmap(folio: folio) }
      if let error { throw error }
      if !isBusy { return }
      Pause.short()
    }
    throw .resourceBusy
  }
}
