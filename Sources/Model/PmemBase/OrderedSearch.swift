extension RandomAccessCollection where Index == Int {
  /// The first index of which `belongsBehind` is true, in a collection that has all those of which it is false before; `endIndex` if
  /// there is none. Cost: log2 n + 1 calls.
  ///
  /// The name is that of swift-algorithms.
  @inlinable
  @inline(__always)
  public func partitioningIndex(where belongsBehind: (Element) -> Bool) -> Int {
    var (low, high) = (startIndex, endIndex)
    while low < high {
      let middle = low + (high - low) / 2
      if belongsBehind(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
