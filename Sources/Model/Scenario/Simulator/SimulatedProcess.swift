internal import DaxModel
internal import MemoryFailure
internal import PmemBase

/// A process of a scenario.
struct SimulatedProcess: Sendable {
  /// The device windows.
  var space = AddressSpace()
  /// In the order of their addresses.
  var files: [FileRegion] = []
  var reserved = Reservations()
  /// What the actor calls its mappings; eight at most, as in the probe on a real machine.
  var maps = NamedRanges()
  /// Numbers of the threads that live, leader first.
  var threads: [Int] = []
  /// For SIGBUS and SIGSEGV.
  var onBus = Disposition.standard
  var onSegment = Disposition.standard
  /// How it ended.
  var ending: String?
  /// Below it the next mapping goes.
  var nextAddress: UInt64 = 0x7f00_0000_0000

  var isAlive: Bool { ending == nil }

  /// Whether every page of the range is some mapping, device or reservation.
  func isMapped(_ range: Range<UInt64>) -> Bool { firstHole(in: range) == nil }

  /// The first address of `range` at which nothing is mapped.
  func firstHole(in range: Range<UInt64>) -> UInt64? {
    var next = range.lowerBound
    while next < range.upperBound {
      if let window = space.window(at: next) {
        next = window.range.upperBound
      } else if let file = file(at: next) {
        next = file.range.upperBound
      } else if let reservation = reserved[next] {
        next = reservation.upperBound
      } else {
        return next
      }
    }
    return nil
  }

  /// A new region of a file; at an address where none is.
  mutating func insert(_ region: FileRegion) {
    let place = files.partitioningIndex { $0.range.lowerBound > region.range.lowerBound }
    files.insert(region, at: place)
  }

  func file(at address: UInt64) -> FileRegion? {
    let place = files.partitioningIndex { $0.range.upperBound > address }
    return place < files.count && files[place].range.contains(address) ? files[place] : nil
  }
}

/// A thread of a scenario.
struct SimulatedThread: Sendable {
  let process: Int
  /// The actor that it is.
  let actor: Int
  var policy = KillPolicy.standard
  /// Whether SIGBUS is blocked.
  var blocksBus = false
  /// The one SIGBUS that waits; another is dropped (`legacy_queue`, kernel/signal.c).
  var pending: Signal?
}

/// Names for ranges of addresses, in a table of eight.
struct NamedRanges: Sendable {
  struct Entry: Sendable {
    let name: String
    var range: Range<UInt64>
  }

  private(set) var entries: [Entry?] = Array(repeating: nil, count: 8)

  subscript(name: String) -> Range<UInt64>? {
    entries.lazy.compactMap { $0 }.first { $0.name == name }?.range
  }

  /// Enters the name in the first free place; without one, it is not known.
  mutating func add(_ name: String, _ range: Range<UInt64>) {
    guard let free = entries.firstIndex(where: { $0 == nil }) else { return }
    entries[free] = Entry(name: name, range: range)
  }

  /// Changes the name's range, or enters it.
  mutating func set(_ name: String, _ range: Range<UInt64>) {
    if let index = entries.firstIndex(where: { $0?.name == name }) {
      entries[index]?.range = range
    } else {
      add(name, range)
    }
  }

  mutating func remove(_ name: String) {
    if let index = entries.firstIndex(where: { $0?.name == name }) { entries[index] = nil }
  }

  /// `NAME+0xOFFSET`, or the address where no name is.
  func describe(_ address: UInt64) -> String {
    for case let entry? in entries where entry.range.contains(address) {
      return "\(entry.name)+0x\(String(address - entry.range.lowerBound, radix: 16))"
    }
    return "0x\(String(address, radix: 16))"
  }
}
