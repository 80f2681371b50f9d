public import LinuxSys
public import MemoryFailure
internal import Synchronization

/// Which 4 KiB pages of a device the medium cannot give: what a touch of them consumes is an error.
///
/// Any thread may look; whoever changes it does so before it unmaps the pages, and never lets a page in that is here.
public final class PoisonedPages: Sendable {
  private let bits: AtomicBits
  /// How many.
  private let count = Atomic<Int>(0)

  /// Pages of 4 KiB, one bit each.
  public init(_ bits: AtomicBits) { self.bits = bits }

  /// Whether there is any, or somebody wants every fault looked at: one load, for the fault path.
  @inline(__always)
  public var isEmpty: Bool { count.load(ordering: .acquiring) == 0 }

  public func contains(page: Int) -> Bool { bits.contains(page) }

  /// Whether any page that the bytes touch is one.
  public func contains(anyOf bytes: Range<UInt64>) -> Bool {
    bits.contains(anyOf: Self.pages(bytes))
  }

  /// By one thread at a time.
  public func insert(page: Int) {
    guard !bits.contains(page) else { return }
    // Counted first: a fault thread that sees the bit has seen the count.
    count.add(1, ordering: .sequentiallyConsistent)
    bits.insert(page)
  }

  /// Has fault threads look at every fault: a rule counts them, or somebody watches. To be ended as often as it was begun.
  public func beginCare() { count.add(1, ordering: .sequentiallyConsistent) }

  public func endCare() { count.subtract(1, ordering: .sequentiallyConsistent) }

  /// By one thread at a time.
  public func remove(page: Int) {
    guard bits.contains(page) else { return }
    bits.remove(page)
    count.subtract(1, ordering: .sequentiallyConsistent)
  }

  /// The runs of bytes in `bytes`, whole pages, in which no page is one.
  public func healthy(in bytes: Range<UInt64>) -> [Range<UInt64>] {
    let pages = Self.pages(bytes)
    var runs: [Range<UInt64>] = []
    var page = bits.first(in: pages, set: false)
    while page < pages.upperBound {
      let end = bits.first(in: page..<pages.upperBound, set: true)
      runs.append(UInt64(page) << 12..<UInt64(end) << 12)
      page = bits.first(in: end..<pages.upperBound, set: false)
    }
    return runs
  }

  private static func pages(_ bytes: Range<UInt64>) -> Range<Int> {
    Int(bytes.lowerBound >> 12)..<Int((bytes.upperBound + 4095) >> 12)
  }
}

/// Who is told of touches that need more than a page: by fault threads, which wait meanwhile.
public protocol PoisonHandler: AnyObject, Sendable {
  /// The medium cannot give the page. The thread waits until ``Workload/answerPoison`` or ``Workload/wake`` for its page. No workload's
  /// lock is held; must not wait for a workload.
  func consumed(_ touch: PoisonTouch)

  /// The fault has the number of ``DaxDevice/setAlarm(_:)``, or comes behind one that has it: not counted, not answered; the thread
  /// waits until ``Workload/wake``, and faults again. The workload's lock is held: must not wait for a lock that is held while one is taken.
  func reached(_ touch: PoisonTouch)

  /// What happens to page-table entries, while the device has poison or is under care. As ``reached(_:)``.
  func saw(_ event: PageEvent)
}

/// A thread that waits for a page.
public struct PoisonTouch: Sendable {
  public let workload: Workload
  /// In the workload, any byte of the page.
  public let address: UInt64
  public let thread: Int32
}
