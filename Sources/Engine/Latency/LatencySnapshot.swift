/// Recorded latencies as a value: to ask, to merge, to send, to print.
public struct LatencySnapshot: Sendable {
  /// How often each bucket of `BucketScale` occurred: ascending, no bucket twice, no zero counts.
  public private(set) var buckets: [(bucket: UInt32, count: UInt64)]

  /// All recordings together.
  public private(set) var count: UInt64

  /// The smallest and the largest latency, exact, in ns; 0 when nothing was recorded.
  public private(set) var minimum: UInt64
  public private(set) var maximum: UInt64

  /// Nothing recorded.
  public init() { self.init(buckets: [], minimum: 0, maximum: 0) }

  /// Takes counts from elsewhere; whatever they say, the result is a consistent snapshot.
  ///
  /// The order is free; numbers past the last bucket count as the last, and extremes that
  /// contradict the buckets give way to them.
  public init(
    buckets: [(bucket: UInt32, count: UInt64)], minimum: UInt64, maximum: UInt64
  ) {
    let known = buckets.lazy.filter { $0.count > 0 }
      .map { (bucket: min($0.bucket, BucketScale.count - 1), count: $0.count) }
      .sorted { $0.bucket < $1.bucket }
    var merged: [(bucket: UInt32, count: UInt64)] = []
    merged.reserveCapacity(known.count)
    var total: UInt64 = 0
    for entry in known {
      // A sum that does not fit would make every percentile wrong: what exceeds it is left out.
      let room = min(entry.count, .max - total)
      guard room > 0 else { break }
      total += room
      if let last = merged.last, last.bucket == entry.bucket {
        merged[merged.count - 1].count += room
      } else {
        merged.append((entry.bucket, room))
      }
    }
    self.buckets = merged
    self.count = total
    guard let first = merged.first, let last = merged.last else {
      (self.minimum, self.maximum) = (0, 0)
      return
    }
    self.minimum = BucketScale.clamp(minimum, into: first.bucket)
    self.maximum = max(self.minimum, BucketScale.clamp(maximum, into: last.bucket))
  }

  /// The average in ns, from the middle of each bucket: within 0.4 % of the true one.
  public var mean: Double {
    guard count > 0 else { return 0 }
    let sum = buckets.reduce(0.0) { sum, entry in
      let values = BucketScale.values(of: entry.bucket)
      let low = Double(max(values.lowerBound, minimum))
      let high = Double(min(values.upperBound, maximum))
      return sum + (low + max(low, high)) / 2 * Double(entry.count)
    }
    return sum / Double(count)
  }

  /// The latency, in ns, that `percent` per cent of the recordings did not exceed.
  ///
  /// At most 0.8 % above the true value, never below it, never outside `minimum...maximum`.
  ///
  /// - Parameter percent: 0 is the minimum, 50 the median, 100 the maximum.
  public func percentile(_ percent: Double) -> UInt64 {
    guard percent > 0 else { return minimum }
    guard percent < 100 else { return maximum }
    // One step down first: 99.9 % of 1000 is 999, not the 1000 that rounding in between gives.
    let wanted = (percent.nextDown * Double(count) / 100).rounded(.up)
    var seen: UInt64 = 0
    for entry in buckets {
      seen += entry.count
      if Double(seen) >= wanted {
        let highest = BucketScale.values(of: entry.bucket).upperBound
        return max(minimum, min(maximum, highest))
      }
    }
    return maximum
  }

  /// Adds what another snapshot recorded.
  public mutating func merge(_ other: LatencySnapshot) {
    guard other.count > 0 else { return }
    guard count > 0 else {
      self = other
      return
    }
    self = LatencySnapshot(
      buckets: buckets + other.buckets,
      minimum: min(minimum, other.minimum), maximum: max(maximum, other.maximum))
  }
}

extension LatencySnapshot: Equatable {
  public static func == (left: LatencySnapshot, right: LatencySnapshot) -> Bool {
    left.minimum == right.minimum && left.maximum == right.maximum
      && left.buckets.elementsEqual(right.buckets, by: ==)
  }
}

extension BucketScale {
  /// The value of `bucket` nearest to `value`; the last bucket has no upper end.
  static func clamp(_ value: UInt64, into bucket: UInt32) -> UInt64 {
    let values = self.values(of: bucket)
    return bucket == count - 1
      ? max(values.lowerBound, value)
      : min(max(values.lowerBound, value), values.upperBound)
  }
}
