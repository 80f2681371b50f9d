internal import PmemBase

/// What a directory names, and in which order a reader finds it.
///
/// Each entry has a place that it keeps as long as it is there, so that a reader who comes back with the place
/// of the last entry that it saw misses none and sees none twice, whatever else came or went.
struct Directory {
  private struct Entry {
    var inode: UInt64
    let place: UInt64
  }

  private var entries: [FileName: Entry] = [:]
  /// By place; entries that are gone are swept now and then.
  private var order: ContiguousArray<(place: UInt64, name: FileName)> = []
  private var nextPlace: UInt64 = 1
  /// Bytes of all names.
  private(set) var nameBytes = 0
  /// Names that came, went or changed since this was last emptied; nil where nobody asks.
  var changed: Set<FileName>?

  var isEmpty: Bool { entries.isEmpty }
  var count: Int { entries.count }
  var names: some Sequence<FileName> { entries.keys }
  var children: some Sequence<UInt64> { entries.values.lazy.map(\.inode) }
  var pairs: some Sequence<(name: FileName, inode: UInt64)> {
    entries.lazy.map { (name: $0.key, inode: $0.value.inode) }
  }

  /// The inode of a name. Cost: O(1).
  subscript(name: FileName) -> UInt64? {
    get { entries[name]?.inode }
    set {
      changed?.insert(name)
      guard let newValue else {
        if entries.removeValue(forKey: name) != nil { nameBytes -= name.bytes.count }
        if order.count > 2 * entries.count + 16 { sweep() }
        return
      }
      if entries[name] != nil {
        entries[name]?.inode = newValue
      } else {
        entries[name] = Entry(inode: newValue, place: nextPlace)
        order.append((nextPlace, name))
        nextPlace += 1
        nameBytes += name.bytes.count
      }
    }
  }

  /// Up to `limit` entries behind a place; 0 is before the first. Cost: O(log n) and the entries.
  func entries(
    behind place: UInt64, limit: Int
  ) -> [(place: UInt64, name: FileName, inode: UInt64)] {
    var found: [(place: UInt64, name: FileName, inode: UInt64)] = []
    for (place, name) in order[order.partitioningIndex { $0.place > place }...] {
      if found.count >= limit { break }
      if let entry = entries[name], entry.place == place {
        found.append((place, name, entry.inode))
      }
    }
    return found
  }

  private mutating func sweep() {
    let present = entries
    order.removeAll { present[$0.name]?.place != $0.place }
  }
}
