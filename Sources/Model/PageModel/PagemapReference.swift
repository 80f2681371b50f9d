internal import Synchronization

/// A pagemap's own reference and its life, in one word: the count, and above it the mark that it was killed.
///
/// One word, because "not killed, so take one" must be one step.
struct PagemapReference: ~Copyable, Sendable {
  private static let killed: UInt64 = 1 << 63

  private let creation: UInt64
  private let word: Atomic<UInt64>

  init(creation: UInt64) {
    self.creation = creation
    word = Atomic(creation)
  }

  var count: UInt64 { word.load(ordering: .acquiring) & ~Self.killed }

  var life: PagemapLife {
    let value = word.load(ordering: .acquiring)
    if value & Self.killed == 0 { return .live }
    return value == Self.killed ? .dead : .dying
  }

  borrowing func get(_ count: UInt64 = 1) -> Bool {
    var value = word.load(ordering: .relaxed)
    while value & Self.killed == 0 {
      let (exchanged, original) = word.weakCompareExchange(
        expected: value, desired: value + count, ordering: .acquiringAndReleasing)
      if exchanged { return true }
      value = original
    }
    return false
  }

  borrowing func put(_ count: UInt64 = 1) {
    let old = word.wrappingSubtract(count, ordering: .acquiringAndReleasing).oldValue
    let floor = old & Self.killed == 0 ? creation : 0
    precondition(
      old & ~Self.killed >= floor + count, "a pagemap reference was put that nobody took")
  }

  /// - Parameter kept: Creation references that pages in use keep.
  borrowing func kill(keeping kept: UInt64 = 0) {
    var value = word.load(ordering: .relaxed)
    while value & Self.killed == 0 {
      let (exchanged, original) = word.weakCompareExchange(
        expected: value, desired: (value - creation + kept) | Self.killed,
        ordering: .acquiringAndReleasing)
      if exchanged { return }
      value = original
    }
  }
}
