internal import PmemBase

extension AddressSpace {
  /// Takes away the page-table entries of a device's folios, wherever they are mapped; the windows stay.
  ///
  /// Source: `unmap_mapping_range`, mm/memory.c.
  ///
  /// - Returns: The entries there were, whose references the caller gives back.
  public mutating func revoke(device: Int, folios: Range<Int>) -> [ReleasedRun] {
    var released: [ReleasedRun] = []
    for window in windows where window.device == device {
      for range in window.addresses(of: folios) {
        released += clearPresence(in: range) { $0.device == device }
      }
    }
    return released
  }
}

extension Window {
  /// Where the folios lie in the window, present or not: one range or none.
  fileprivate func addresses(of folios: Range<Int>) -> [Range<UInt64>] {
    let low = max(UInt64(folios.lowerBound) << alignment.shift, offset)
    let high = min(UInt64(folios.upperBound) << alignment.shift, offset + UInt64(range.count))
    guard low < high else { return [] }
    return [(range.lowerBound + (low - offset))..<(range.lowerBound + (high - offset))]
  }
}
