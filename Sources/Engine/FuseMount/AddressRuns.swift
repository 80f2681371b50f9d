internal import PmemBase

/// Values of address ranges that do not overlap, in order; neighbours of one value are one. Cost of a change: the ranges behind it.
struct AddressRuns<Value: Equatable> {
  struct Run {
    var addresses: Range<UInt64>
    var value: Value
  }
  private(set) var runs: [Run] = []

  var isEmpty: Bool { runs.isEmpty }

  /// The first run that ends above an address.
  private func first(above address: UInt64) -> Int {
    runs.partitioningIndex { $0.addresses.upperBound > address }
  }

  subscript(address: UInt64) -> Run? {
    let index = first(above: address)
    guard index < runs.count, runs[index].addresses.contains(address) else { return nil }
    return runs[index]
  }

  /// The parts of runs in a range.
  func parts(in range: Range<UInt64>) -> [Run] {
    var parts: [Run] = []
    var index = first(above: range.lowerBound)
    while index < runs.count, runs[index].addresses.lowerBound < range.upperBound {
      let part = runs[index].addresses.clamped(to: range)
      if !part.isEmpty { parts.append(Run(addresses: part, value: runs[index].value)) }
      index += 1
    }
    return parts
  }

  /// Forgets what a range had, and gives it a value if there is one.
  mutating func set(_ range: Range<UInt64>, _ value: Value?) {
    guard !range.isEmpty else { return }
    var from = first(above: range.lowerBound)
    var to = from
    while to < runs.count, runs[to].addresses.lowerBound < range.upperBound { to += 1 }
    var new: [Run] = []
    func add(_ addresses: Range<UInt64>, _ value: Value) {
      guard !addresses.isEmpty else { return }
      guard let last = new.last, last.addresses.upperBound == addresses.lowerBound,
        last.value == value
      else { return new.append(Run(addresses: addresses, value: value)) }
      new[new.count - 1].addresses = last.addresses.lowerBound..<addresses.upperBound
    }
    if from > 0, runs[from - 1].addresses.upperBound == range.lowerBound {
      from -= 1
      add(runs[from].addresses, runs[from].value)
    } else if from < to, runs[from].addresses.lowerBound < range.lowerBound {
      add(runs[from].addresses.lowerBound..<range.lowerBound, runs[from].value)
    }
    if let value { add(range, value) }
    if from < to, runs[to - 1].addresses.upperBound > range.upperBound {
      add(range.upperBound..<runs[to - 1].addresses.upperBound, runs[to - 1].value)
    } else if to < runs.count, runs[to].addresses.lowerBound == range.upperBound {
      add(runs[to].addresses, runs[to].value)
      to += 1
    }
    runs.replaceSubrange(from..<to, with: new)
  }
}
