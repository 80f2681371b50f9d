internal import DaxModel
internal import FaultEngine
internal import Medium
internal import MemoryFailure
internal import PmemBase
internal import Synchronization
internal import SystemPackage

extension MemoryFailures {
  /// What a machine check in a load or store does: the handler runs with the thread as `current`, the sectors become known, and the
  /// touch is SIGBUS, in a system call EFAULT.
  ///
  /// - Returns: `false` if the kernel asks to try again later.
  func consume(_ state: inout State, _ touch: PoisonTouch) -> Bool {
    guard let (device, page) = place(of: touch) else {
      touch.workload.wake(page: touch.address)
      return true
    }
    let dax = devices[device]
    guard dax.poison.contains(page: page) else {
      // Cleared meanwhile: it faults again, as anyone does.
      touch.workload.wake(page: touch.address)
      return true
    }
    let folio = page >> dax.geometry.alignment.order
    let origin = FailureOrigin.consumed(
      process: Int(touch.workload.process), thread: Int(touch.thread))
    do throws(Errno) {
      guard try fail(&state, device, folio, origin, touch: touch) != nil else { return true }
    } catch {
      // The page could not be put back: what is lost is lost, the touch fails all the same.
    }
    learn(&state, device, page)
    return arm(&state, device, page, touch)
  }

  /// The error was met: the page's bad sectors are known.
  private func learn(_ state: inout State, _ device: Int, _ page: Int) {
    let before = state.media[device].known
    let sectors = UInt64(page) << 3..<UInt64(page + 1) << 3
    for bad in state.media[device].injected.ranges where bad.overlaps(sectors) {
      let part = bad.clamped(to: sectors)
      state.media[device].known.add(bytes: part.lowerBound * 512..<part.upperBound * 512)
    }
    if state.media[device].known != before { tell(state, .badBlocksChanged(device: device)) }
  }

  /// Puts markers wherever the page is shown, and lets the thread that waits go on into its own: the handler has run and the page is in
  /// no page table, so that nobody is left who is to be told of a later touch but who touches. Of a larger folio other pages may come
  /// back: there each touch asks.
  ///
  /// - Returns: `false` if the kernel asks to try again later.
  private func arm(
    _ state: inout State, _ device: Int, _ page: Int, _ touch: PoisonTouch
  ) -> Bool {
    let granule = Unmapper.granule(devices[device])
    let bytes = UInt64(page) << 12..<UInt64(page + 1) << 12
    let place = touch.address & ~(granule - 1)
    let isWhole = devices[device].geometry.alignment.bytes == granule
    var isDone = true
    // Whatever comes in between: it is looked for when the page is cleared.
    state.media[device].marked.insert(UInt64(page) << 12 / granule)
    for workload in isWhole ? workloads() : [touch.workload] {
      Workload.holding([workload]) { workload, space in
        guard !space.ended else { return }
        if isWhole && workload.canArm {
          for address in space.space.addresses(of: bytes, device: device)
          where (address != place || workload !== touch.workload)
            && !space.space.isChanging(address..<address + 1)
          {
            // Inside an mremap: a touch there asks.
            try? workload.answerPoison(&space, page: address, bytes: granule)
          }
        }
        guard workload === touch.workload else { return }
        guard !space.space.isChanging(touch.address..<touch.address + 1),
          let now = Workload.page(at: touch.address, in: space.space), now == (device, page)
        else { return workload.wake(page: touch.address) }
        do throws(Errno) {
          try workload.answerPoison(&space, page: place, bytes: granule)
        } catch { isDone = false }
      } act: {
      } last: { _, _ in
      }
    }
    return isDone
  }

  func place(of touch: PoisonTouch) -> (device: Int, page: Int)? {
    var place: (device: Int, page: Int)?
    Workload.holding([touch.workload]) { _, space in
      if !space.ended { place = Workload.page(at: touch.address, in: space.space) }
    } act: {
    } last: { _, _ in
    }
    return place
  }
}
