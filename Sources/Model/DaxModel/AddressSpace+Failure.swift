internal import PmemBase

extension AddressSpace {
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
    self = lost
  }
}
