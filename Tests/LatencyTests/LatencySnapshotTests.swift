internal import Latency
import Testing

@Suite struct `a latency snapshot` {
  /// The definition of a percentile, applied to the sorted values, is the judge.
  @Test(arguments: [1, 2, 10, 1000, 4321])
  func `agrees with sorted values`(count: Int) {
    let values = Self.latencies(count)
    let snapshot = Self.snapshot(of: values)
    let sorted = values.sorted()
    for percent in [0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99] {
      let rank = max(1, Int((percent.nextDown * Double(count) / 100).rounded(.up)))
      let exact = sorted[rank - 1]
      let told = snapshot.percentile(percent)
      #expect(told >= exact, "p\(percent)")
      #expect(Double(told) <= Double(exact) * 1.01, "p\(percent)")
    }
    #expect(snapshot.percentile(0) == sorted.first)
    #expect(snapshot.percentile(100) == sorted.last)
    let mean = Double(values.reduce(0, +)) / Double(count)
    #expect(abs(snapshot.mean - mean) <= mean * 0.01)
  }

  /// 99.9 % of 1000 is computed as 999.0000000000001; rounded up it would name the maximum.
  @Test func `does not round into the next value`() {
    let values = (1...999).map { _ in UInt64(100) } + [100_000]
    #expect(Self.snapshot(of: values).percentile(99.9) == 100)
  }

  @Test func `merges as if all had been recorded together`() {
    let (left, right) = (Self.latencies(700), Self.latencies(900))
    var merged = Self.snapshot(of: left)
    merged.merge(Self.snapshot(of: right))
    #expect(merged == Self.snapshot(of: left + right))
    var none = LatencySnapshot()
    none.merge(merged)
    none.merge(LatencySnapshot())
    #expect(none == merged)
  }

  /// Counts arrive over a socket: whatever they are, questions about them must have answers.
  @Test func `survives any counts`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let buckets = (0..<Int.random(in: 0...8, using: &random)).map { _ in
        (
          bucket: [0, 255, 256, 4351, 4352, UInt32.random(in: 0..<4352), .max].randomElement()!,
          count: [0, 1, UInt64.random(in: 1...1000), .max].randomElement()!
        )
      }
      let extremes = [0, 1, UInt64.random(in: 0...(1 << 40)), .max]
      let snapshot = LatencySnapshot(
        buckets: buckets, minimum: extremes.randomElement()!, maximum: extremes.randomElement()!)
      #expect(snapshot.minimum <= snapshot.maximum)
      #expect(snapshot.buckets.allSatisfy { $0.bucket < BucketScale.count && $0.count > 0 })
      #expect(
        zip(snapshot.buckets, snapshot.buckets.dropFirst()).allSatisfy { $0.bucket < $1.bucket })
      let percentiles = [-1, 0, 50, 99.9, 100, 200, .nan].map(snapshot.percentile)
      #expect(percentiles.allSatisfy { $0 >= snapshot.minimum && $0 <= snapshot.maximum })
      #expect(!snapshot.summary.isEmpty && !snapshot.bars().isEmpty)
    }
  }

  /// The same numbers must come back from the file that users feed to HdrHistogram's plotters.
  @Test(arguments: LatencyUnit.allCases)
  func `exports what HdrHistogram's tools read`(unit: LatencyUnit) throws {
    let snapshot = Self.snapshot(of: Self.latencies(5000))
    let lines = snapshot.percentileDistribution(in: unit).split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(
      lines.first?.split(separator: " ")
        == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"])
    #expect(lines.dropFirst().first == "")

    let rows = lines.dropFirst(2).filter { !$0.isEmpty && !$0.hasPrefix("#") }
      .map { $0.split(separator: " ").compactMap { Double($0) } }
    #expect(rows.count > 20)
    #expect(rows.dropLast().allSatisfy { $0.count == 4 })
    #expect(rows.last?.count == 3)
    for row in rows {
      // Values have two decimals and are the top of their bucket.
      let told = Double(snapshot.percentile(row[1] * 100)) / unit.nanoseconds
      #expect(abs(row[0] - told) <= told * 0.01 + 0.01, "at \(row[1])")
    }
    #expect(rows.last?[1] == 1)
    #expect(rows.last?[2] == 5000)

    let footer = lines.filter { $0.hasPrefix("#[") }
    #expect(footer.first?.hasPrefix("#[Mean    =") == true)
    #expect(footer.contains { $0.hasPrefix("#[Max     =") && $0.hasSuffix("5000]") })
    #expect(footer.last == "#[Unit    = \(unit.rawValue)]")
  }

  @Test func `exports nothing recorded as an empty distribution`() {
    let text = LatencySnapshot().percentileDistribution()
    #expect(text.contains("Total count    =            0]"))
  }

  static func snapshot(of values: [UInt64]) -> LatencySnapshot {
    let histogram = LatencyHistogram()
    for value in values { histogram.record(value) }
    return histogram.snapshot()
  }

  /// Latencies as they are: most around 6 µs, some of 50 µs, a few of milliseconds.
  static func latencies(_ count: Int) -> [UInt64] {
    (0..<count).map { _ in
      switch UInt8.random(in: 0..<100) {
      case 0: UInt64.random(in: 1_000_000..<20_000_000)
      case 1..<20: UInt64.random(in: 40_000..<60_000)
      default: UInt64.random(in: 5500..<7000)
      }
    }
  }
}
