internal import DaxModel
internal import FaultEngine
internal import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Devices go and come.
extension MemoryFailures {
  /// The driver is unbound: windows stay, every touch of them is SIGBUS/BUS_ADRERR, and no new one comes (ENXIO).
  ///
  /// Source: `unmap_mapping_range` in `kill_dev_dax`, drivers/dax/bus.c (v6.1, v7.3).
  public func disable(device: Int) throws(Errno) {
    guard devices.indices.contains(device) else { throw .noSuchAddressOrDevice }
    let dax = devices[device]
    try state.withLock { state throws(Errno) in
      guard dax.isEnabled else { return }
      dax.setEnabled(false)
      // On such a medium windows that are there stay as they are.
      guard dax.medium.insertion == .continued, (try? unmapper.check(dax)) != nil else {
        return tell(state, .disabled(device: device))
      }
      var released: [ReleasedRun] = []
      var error: Errno?
      Workload.holding(ordered()[...]) { workload, space in
        if !space.ended { released += space.space.bury(device: device) }
      } act: {
        do throws(Errno) {
          try unmapper.unmap(dax, 0..<dax.geometry.size)
        } catch let caught { error = caught }
      } last: { _, _ in
      }
      for run in released { dax.pagemap.unmap(folios: run.folios) }
      if let error { throw error }
      tell(state, .disabled(device: device))
    }
  }

  /// The driver is bound again: new windows work, old ones stay dead.
  public func enable(device: Int) throws(Errno) {
    guard devices.indices.contains(device) else { throw .noSuchAddressOrDevice }
    state.withLock { state in
      guard !devices[device].isEnabled else { return }
      devices[device].setEnabled(true)
      tell(state, .enabled(device: device))
    }
  }
}
