internal import Synchronization

/// Counts latencies, from any number of threads at once, without a lock.
///
/// Fixed memory: 34 KiB. Recording costs one atomic addition and two loads, 3 ns where no other thread
/// records, and never allocates; a snapshot takes 20 µs and disturbs nobody.
public final class LatencyHistogram: Sendable {
  private let counts = InlineArray<4352, Atomic<UInt64>> { _ in Atomic(0) }
  private let smallest = Atomic<UInt64>(.max)
  private let largest = Atomic<UInt64>(0)

  public init() {}

  /// Adds one latency, in ns.
  public func record(_ nanoseconds: UInt64) {
    include(smallest: nanoseconds, largest: nanoseconds)
    counts[Int(BucketScale.bucket(of: nanoseconds))].wrappingAdd(1, ordering: .releasing)
  }

  /// Adds latencies that were counted elsewhere, such as in a workload, on the same scale.
  public func record(_ snapshot: LatencySnapshot) {
    guard snapshot.count > 0 else { return }
    include(smallest: snapshot.minimum, largest: snapshot.maximum)
    for (bucket, count) in snapshot.buckets {
      counts[Int(bucket)].wrappingAdd(count, ordering: .releasing)
    }
  }

  /// A copy of what has been recorded; recordings under way may or may not be in it.
  public func snapshot() -> LatencySnapshot {
    var buckets: [(bucket: UInt32, count: UInt64)] = []
    for index in counts.indices {
      let count = counts[index].load(ordering: .acquiring)
      if count > 0 { buckets.append((UInt32(index), count)) }
    }
    return LatencySnapshot(
      buckets: buckets,
      minimum: smallest.load(ordering: .relaxed), maximum: largest.load(ordering: .relaxed))
  }

  /// Widens the extremes; before the counts, so that whoever sees a count also sees its extremes.
  ///
  /// By hand, because `Atomic.min` and `max` compare unsigned values as signed (swiftlang/swift#91176,
  /// in Swift 6.3). Nearly always two loads.
  private func include(smallest low: UInt64, largest high: UInt64) {
    var seen = smallest.load(ordering: .relaxed)
    while low < seen {
      seen =
        smallest.weakCompareExchange(expected: seen, desired: low, ordering: .relaxed).original
    }
    seen = largest.load(ordering: .relaxed)
    while high > seen {
      seen = largest.weakCompareExchange(expected: seen, desired: high, ordering: .relaxed).original
    }
  }
}
