internal import PmemBase

/// Address space that a process has reserved around its mappings: ordinary memory without access, which mprotect makes readable.
struct Reservations: Sendable {
  /// In the order of their addresses.
  private(set) var ranges: [Range<UInt64>] = []
  /// Parts that may be read; they do not overlap.
  private var readable: [Range<UInt64>] = []
  /// Pages that were read: they show the page of zeroes.
  private var zeroes: Set<UInt64> = []

  /// The reservation that has the address.
  subscript(address: UInt64) -> Range<UInt64>? { ranges.first { $0.contains(address) } }

  /// Below all others.
  mutating func insert(_ range: Range<UInt64>) { ranges.insert(range, at: 0) }

  /// Something else is mapped in `range`, or nothing.
  mutating func remove(_ range: Range<UInt64>) {
    ranges = ranges.flatMap { $0.without(range) }
    readable = readable.flatMap { $0.without(range) }
    zeroes = zeroes.filter { !range.contains($0) }
  }

  /// mprotect(PROT_READ)
  mutating func open(_ range: Range<UInt64>) {
    readable = readable.flatMap { $0.without(range) }
    readable += ranges.map { $0.clamped(to: range) }.filter { !$0.isEmpty }
  }

  func isReadable(_ address: UInt64) -> Bool { readable.contains { $0.contains(address) } }

  /// A read: the page of zeroes is there from now on.
  mutating func read(_ address: UInt64) { zeroes.insert(PageSize.base.roundDown(address)) }

  func showsZeroes(_ address: UInt64) -> Bool { zeroes.contains(PageSize.base.roundDown(address)) }

  /// The lowest page that shows the page of zeroes.
  var lowestZero: UInt64? { zeroes.min() }

  /// A forked child's: the mappings, and no page of them (`vma_needs_copy`, mm/memory.c: memory that was never written is not copied).
  func forked() -> Reservations {
    var child = self
    child.zeroes = []
    return child
  }
}

extension Range<UInt64> {
  /// What is left of it.
  fileprivate func without(_ other: Range<UInt64>) -> [Range<UInt64>] {
    guard overlaps(other) else { return [self] }
    return [
      lowerBound..<Swift.max(lowerBound, other.lowerBound),
      Swift.min(upperBound, other.upperBound)..<upperBound,
    ]
    .filter { !$0.isEmpty }
  }
}
