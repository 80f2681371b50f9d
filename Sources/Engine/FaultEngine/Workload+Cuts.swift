internal import DaxModel
internal import LinuxSys
internal import Medium
internal import Synchronization
internal import SystemPackage

extension Workload {
  /// Takes the pages out of addresses at which windows show nothing any more, though the host's kernel goes on mapping them: a huge page
  /// that mprotect() or madvise() has cut. Waits for the workload; not for its fault thread.
  ///
  /// Where the workload is gone, or has mapped something else there, nothing is left to be done.
  func empty(_ addresses: Range<UInt64>) {
    agentTurn.withLock { _ in
      let windows = state.withLock { state in
        state.ended ? [] : state.space.windows.filter { $0.range.overlaps(addresses) }
      }
      for window in windows {
        let part = addresses.clamped(to: window.range)
        try? empty(part.lowerBound, UInt64(part.count), of: window)
      }
    }
  }

  private func empty(_ address: UInt64, _ length: UInt64, of window: Window) throws(Errno) {
    switch devices[window.device].medium.insertion {
    case .continued:
      // A fresh mapping of the same bytes has no page.
      try agent.insert(
        device: window.device, address: address, length: length,
        offset: window.offset + (address - window.range.lowerBound), protection: window.protection)
      try userfaultfd.register(address: address, length: length, minor: true)
    case .remapped:
      try agent.empty(address: address, length: length, protection: window.protection)
    }
  }
}
