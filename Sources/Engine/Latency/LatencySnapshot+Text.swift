extension LatencySnapshot {
  /// One line for people: count, minimum, the usual percentiles, maximum.
  public var summary: String {
    guard count > 0 else { return "nothing recorded" }
    let percentiles = [("p50", 50.0), ("p90", 90), ("p99", 99), ("p99.9", 99.9)]
      .map { "\($0.0) \(Self.text(percentile($0.1)))" }
    return
      (["n \(count)", "min \(Self.text(minimum))"] + percentiles
      + ["max \(Self.text(maximum))"]).joined(separator: "  ")
  }

  /// A histogram of bars: a line for each range of latencies from p0.1 to p99.9, and one for what is beyond on
  /// either side.
  ///
  /// - Parameter width: Characters of the longest bar.
  public func bars(width: Int = 40) -> String {
    guard count > 0 else { return "nothing recorded\n" }
    let rows = self.rows()
    let largest = rows.map(\.count).max() ?? 1
    var text = ""
    for row in rows {
      let share = Double(row.count) / Double(largest)
      let length = row.count == 0 ? 0 : max(1, Int((share * Double(width)).rounded()))
      let bar = String(repeating: "#", count: length)
      text += "\(Self.text(row.low).padded(to: 8)) .. \(Self.text(row.high).padded(to: 8)) |"
      text += bar + String(repeating: " ", count: max(0, width - length)) + "| "
      text += "\(String(row.count).padded(to: 9)) \(Self.percent(row.count, of: count))\n"
    }
    return text
  }

  /// A duration with three significant digits and its unit: "850 ns", "5.99 µs", "12.3 ms", "1.50 s".
  public static func text(_ nanoseconds: UInt64) -> String {
    let units: [(name: String, size: UInt64)] = [
      ("ns", 1), ("µs", 1000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ]
    for (name, size) in units {
      // 999.6 µs would round to "1000 µs": the next unit says 1.00 ms.
      guard name == "s" || Double(nanoseconds) / Double(size) < (size == 1 ? 1000 : 999.5)
      else { continue }
      if size == 1 { return "\(nanoseconds) ns" }
      let value = Double(nanoseconds) / Double(size)
      let decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0
      return "\(fixed(value, decimals)) \(name)"
    }
    return "\(nanoseconds) ns"
  }

  private struct Row {
    var low: UInt64
    var high: UInt64
    var count: UInt64 = 0
  }

  /// Ranges of equal ratio, as fine as 20 lines allow, with the counts that fall into them.
  private func rows() -> [Row] {
    // From the edge of a bucket, so that no bucket lies in two rows.
    let low = BucketScale.values(of: BucketScale.bucket(of: percentile(0.1))).lowerBound
    let (first, last) = (max(minimum, low), percentile(99.9))
    var rows: [Row] = []
    for divisions in [16, 8, 4, 2, 1] as [UInt64] {
      rows = Self.ranges(from: first, through: last, divisions: divisions)
      if rows.count <= 20 { break }
    }
    if minimum < first {
      rows.insert(Row(low: minimum, high: first - 1), at: 0)
    }
    let covered = rows.last?.high
    if maximum > covered ?? 0 || rows.isEmpty {
      rows.append(Row(low: covered.map { $0 + 1 } ?? minimum, high: maximum))
    }
    var current = 0
    for entry in buckets {
      let low = max(BucketScale.values(of: entry.bucket).lowerBound, minimum)
      while current < rows.count - 1 && low > rows[current].high { current += 1 }
      rows[current].count += entry.count
    }
    return rows
  }

  /// Cuts every power of two into `divisions` ranges; their edges are edges of buckets.
  private static func ranges(
    from minimum: UInt64, through maximum: UInt64, divisions: UInt64
  ) -> [Row] {
    var rows: [Row] = []
    var low = minimum
    while low <= maximum && low < BucketScale.limit {
      let octave = UInt64(1) << UInt64(63 - max(low, 1).leadingZeroBitCount)
      let step = max(1, octave / divisions)
      let high = (low / step + 1) * step - 1
      rows.append(Row(low: low, high: high))
      guard rows.count <= 64 else { break }
      low = high + 1
    }
    return rows
  }

  private static func percent(_ part: UInt64, of whole: UInt64) -> String {
    fixed(Double(part) / Double(whole) * 100, 1).padded(to: 5) + " %"
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String {
    String(repeating: " ", count: Swift.max(0, width - count)) + self
  }
}
