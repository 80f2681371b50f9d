internal import Histogram

/// The unit of exported values.
public enum LatencyUnit: String, Sendable, CaseIterable {
  case nanoseconds = "ns"
  case microseconds = "us"

  /// How many ns it has.
  public var nanoseconds: Double {
    switch self {
    case .nanoseconds: 1
    case .microseconds: 1000
    }
  }
}

extension LatencySnapshot {
  /// The percentile distribution in HdrHistogram's text form (`.hgrm`), which its plotters read.
  ///
  /// For reports, not for the fault path: it builds a second histogram.
  ///
  /// - Parameters:
  ///   - unit: What the Value column is in; the last line says so, as a comment.
  ///   - ticks: Lines for each halving of the distance to 100 %.
  public func percentileDistribution(in unit: LatencyUnit = .microseconds, ticks: Int = 5)
    -> String
  {
    var text = ""
    hdrHistogram().outputPercentileDistribution(
      to: &text, outputValueUnitScalingRatio: unit.nanoseconds,
      percentileTicksPerHalfDistance: max(1, ticks))
    return text + "#[Unit    = \(unit.rawValue)]\n"
  }

  /// The same counts in HdrHistogram's own type: one bucket of this scale is one of its buckets.
  private func hdrHistogram() -> Histogram<UInt64> {
    // HdrHistogram has no ceiling of its own: it grows to hold the exact maximum.
    var histogram = Histogram<UInt64>(
      lowestDiscernibleValue: 1, highestTrackableValue: max(2, maximum),
      numberOfSignificantValueDigits: .two)
    for (index, entry) in buckets.enumerated() {
      let representative =
        if index == buckets.count - 1 { maximum } else if index == 0 { minimum } else {
          BucketScale.values(of: entry.bucket).lowerBound
        }
      histogram.record(representative, count: entry.count)
    }
    return histogram
  }
}
