public import PmemBase

extension AddressSpace {
  /// Where the folio has page-table entries, in the order of the device's interval tree: by the windows' offsets, and among equals
  /// the one first that was entered first.
  ///
  /// Source: `collect_procs_file`, mm/memory-failure.c; `vma_interval_tree_insert` (v6.1, v7.3); oracle `devdax-4k-two-vmas`, where the
  /// second mapping has the lower address.
  public func places(ofFolio folio: Int, device: Int) -> [(address: UInt64, size: PageSize)] {
    var found: [(offset: UInt64, entered: UInt64, address: UInt64, size: PageSize)] = []
    for index in windows.indices where windows[index].device == device {
      guard let address = windows[index].address(of: folio) else { continue }
      found.append(
        (windows[index].offset, windows[index].entered, address, windows[index].alignment))
    }
    found.sort { ($0.offset, $0.entered) < ($1.offset, $1.entered) }
    return found.map { ($0.address, $0.size) }
  }

  /// Where bytes of the device lie in its windows, present or not: the address of each first byte that a window shows, ascending.
  public func addresses(of bytes: Range<UInt64>, device: Int) -> [UInt64] {
    windows.compactMap { window in
      guard window.device == device else { return nil }
      let low = max(bytes.lowerBound, window.offset)
      let high = min(bytes.upperBound, window.offset + UInt64(window.range.count))
      return low < high ? window.range.lowerBound + (low - window.offset) : nil
    }
  }

  /// The device is gone: its windows stay and every touch of them is beyond the device, for good.
  ///
  /// Source: `kill_dev_dax`, drivers/dax/bus.c; `dev_dax_huge_fault` fails once `dax_alive` does (v6.1, v7.3).
  ///
  /// - Returns: The entries there were, whose references the caller gives back.
  public mutating func bury(device: Int) -> [ReleasedRun] {
    var released: [ReleasedRun] = []
    for index in windows.indices where windows[index].device == device {
      released += windows[index].released(in: windows[index].range)
      windows[index].lose()
    }
    return released
  }
}

extension Window {
  /// Nothing is behind it any more: a device of no folio.
  fileprivate mutating func lose() {
    var lost = Window(
      range: range, device: device,
      geometry: DeviceGeometry(size: 0, alignment: alignment), offset: offset,
      protection: protection, access: access)
    lost.advice = advice
    lost.entered = entered
    self = lost
  }
}
