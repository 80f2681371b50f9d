internal import FaultEngine
internal import LinuxSys
internal import Synchronization
internal import Wire

/// Notes for a workload's library, in the memory that it shares with the server. Any thread; the oldest makes room for a new one.
final class RingNotes: TouchNotes {
  private struct Place {
    let page: SharedCounter
    let address: SharedCounter
    let shift: SharedCounter
  }
  private struct State {
    let places: [Place]
    var next = 0
  }
  private let state: Mutex<State>

  init(in ring: SharedMemory) {
    state = Mutex(
      State(
        places: (0..<HandledRing.notes.count).map { index in
          let at = HandledRing.notes.at + 32 * index
          return Place(
            page: SharedCounter(in: ring, at: at), address: SharedCounter(in: ring, at: at + 8),
            shift: SharedCounter(in: ring, at: at + 16))
        }))
  }

  func note(page: UInt64, address: UInt64, shift: UInt64) {
    state.withLock { state in
      for place in state.places where place.page.value == page { place.page.set(0) }
      let place = state.places[state.next]
      state.next = (state.next + 1) % state.places.count
      place.page.set(0)
      place.address.set(address)
      place.shift.set(shift)
      place.page.set(page)
    }
  }
}
