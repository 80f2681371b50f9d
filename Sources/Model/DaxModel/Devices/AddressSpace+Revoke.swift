internal import PmemBase

extension AddressSpace {
  /// Takes away the page-table entries of a device's folios, wherever they are mapped; the windows stay.
  ///
  /// Source: `unmap_mapping_range`, mm/memory.c.
  ///
  /// - Returns: The entries there were, whose references the caller gives back.
  public mutating func revoke(device: Int, folios: Range<Int>) -> [ReleasedRun] {
    var released: [ReleasedRun] = []
    // In place: a copy of a window shares its bits, and the first change of one copies them.
    for index in windows.indices where windows[index].device == device {
      guard let range = windows[index].addresses(of: folios) else { continue }
      released += windows[index].released(in: range)
      windows[index].presence.remove(Window.slots(range, windows[index].alignment))
    }
    return released
  }
}

extension Window {
  /// Where the folios lie in the window, present or not.
  fileprivate func addresses(of folios: Range<Int>) -> Range<UInt64>? {
    let low = max(UInt64(folios.lowerBound) << alignment.shift, offset)
    let high = min(UInt64(folios.upperBound) << alignment.shift, offset + UInt64(range.count))
    guard low < high else { return nil }
    return (range.lowerBound + (low - offset))..<(range.lowerBound + (high - offset))
  }
}
