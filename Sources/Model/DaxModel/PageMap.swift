/// Values of some pages. Pages that are next to each other have theirs next to each other in memory, 16 at a time, and who goes through them in order
/// looks nothing up but once for these.
///
/// Memory: room for 16 values where one of 16 pages has one.
struct PageMap<Value: Sendable>: Sendable {
  /// Where a value is, as long as no page gets or loses one.
  typealias Place = Int

  /// By the pages' number / 16: which group of 16 places.
  private var groups: [UInt64: Int] = [:]
  private var places: ContiguousArray<Value?> = []
  /// Of each group: the first page / 16, and a bit for each place with a value.
  private var numbers: ContiguousArray<UInt64> = []
  private var used: ContiguousArray<UInt16> = []
  private var free: [Int] = []
  /// The group that changed last.
  private var last = (number: UInt64.max, group: 0)

  private(set) var count = 0
  var isEmpty: Bool { count == 0 }

  subscript(page: UInt64) -> Value? {
    get { group(of: page).flatMap { places[$0 << 4 | Int(page & 15)] } }
    set {
      guard let newValue else { return remove(page) }
      let group = group(of: page) ?? makeGroup(page >> 4)
      last = (page >> 4, group)
      let bit = UInt16(1) << (page & 15)
      if used[group] & bit == 0 {
        used[group] |= bit
        count += 1
      }
      places[group << 4 | Int(page & 15)] = newValue
    }
    _modify {
      // Of a page without a value it is a copy that changes.
      guard let place = place(of: page) else {
        var value: Value?
        yield &value
        self[page] = value
        return
      }
      yield &places[place]
      if places[place] == nil { remove(page) }
    }
  }

  // MARK: Places

  func place(of page: UInt64) -> Place? {
    guard let group = group(of: page), used[group] >> (page & 15) & 1 != 0 else { return nil }
    return group << 4 | Int(page & 15)
  }

  subscript(place place: Place) -> Value {
    get { places[place]! }
    _modify { yield &places[place]! }
  }

  func page(at place: Place) -> UInt64 { numbers[place >> 4] << 4 | UInt64(place & 15) }

  // MARK: All

  /// In no order.
  var keys: [UInt64] {
    var keys: [UInt64] = []
    keys.reserveCapacity(count)
    for (group, var bits) in used.enumerated() {
      while bits != 0 {
        keys.append(numbers[group] << 4 | UInt64(bits.trailingZeroBitCount))
        bits &= bits - 1
      }
    }
    return keys
  }

  var values: some Sequence<Value> { places.lazy.compactMap(\.self) }

  func mapValues(_ change: (Value) -> Value) -> Self {
    var changed = self
    for place in places.indices { changed.places[place] = places[place].map(change) }
    return changed
  }

  func filter(_ isMeant: (UInt64) -> Bool) -> Self {
    var part = Self()
    for page in keys where isMeant(page) { part[page] = self[page] }
    return part
  }

  // MARK: Private

  private func group(of page: UInt64) -> Int? {
    page >> 4 == last.number ? last.group : groups[page >> 4]
  }

  private mutating func makeGroup(_ number: UInt64) -> Int {
    let group = free.popLast() ?? used.count
    if group == used.count {
      places.append(contentsOf: repeatElement(nil, count: 16))
      numbers.append(number)
      used.append(0)
    } else {
      numbers[group] = number
    }
    groups[number] = group
    return group
  }

  private mutating func remove(_ page: UInt64) {
    let bit = UInt16(1) << (page & 15)
    guard let group = group(of: page), used[group] & bit != 0 else { return }
    places[group << 4 | Int(page & 15)] = nil
    used[group] ^= bit
    count -= 1
    guard used[group] == 0 else { return }
    groups[page >> 4] = nil
    free.append(group)
    if last.number == page >> 4 { last.number = .max }
  }
}
