internal import PmemBase
public import SystemPackage

extension AddressSpace {
  /// gup of one page of a device: what its touch gets, and the folio on which the caller then takes the reference
  /// (`Pagemap.grab`). Long-term pins are as welcome as others.
  ///
  /// - Throws: EFAULT without a window, without the right, or beyond the device.
  ///
  /// Source: `check_vma_flags`, `__get_user_pages`, mm/gup.c (v6.12, v7.3).
  public mutating func gup(
    at address: UInt64, _ request: GupRequest
  ) throws(Errno) -> (decision: FaultDecision, folio: Int) {
    guard let window = window(at: address),
      window.protection.contains(request.isWrite ? .write : .read)
    else { throw .badAddress }
    try request.check(isFsDax: false)
    let decision = fault(at: address)
    if case .beyondDevice = decision { throw .badAddress }
    return (decision, window.folio(of: address >> window.alignment.shift))
  }

  /// The device's driver goes: `kill_dev_dax`. Its page-table entries are taken away, and every later touch of its
  /// windows is SIGBUS; new mappings are ENXIO (`DeviceGeometry.isAlive`).
  ///
  /// Source: `kill_dev_dax`, drivers/dax/bus.c; `__check_vma`, drivers/dax/device.c (v6.1, v7.3).
  ///
  /// - Returns: The entries there were, whose references the caller gives back.
  public mutating func kill(device: Int) -> [ReleasedRun] {
    guard let geometry = windows.first(where: { $0.device == device })?.geometry else {
      return []
    }
    let released = revoke(device: device, folios: 0..<Int(geometry.folioCount))
    for index in windows.indices where windows[index].device == device {
      windows[index].geometry = geometry.dead
    }
    return released
  }
}
