internal import Latency
import Testing

@Suite struct `a latency histogram` {
  /// A lost update would show as a sum that is too small: the sum is checked, not the shape.
  @Test(.timeLimit(.minutes(20)))
  func `loses nothing when several threads record`() async {
    let histogram = LatencyHistogram()
    let recorders = 4
    let each: UInt64 = 50_000
    await withTaskGroup(of: Void.self) { group in
      for recorder in 0..<UInt64(recorders) {
        group.addTask {
          // All of them in the same few buckets: contention is what loses updates.
          for index in 0..<each { histogram.record(100 + recorder + index % 3) }
        }
      }
    }
    let snapshot = histogram.snapshot()
    #expect(snapshot.count == UInt64(recorders) * each)
    #expect(snapshot.minimum == 100)
    #expect(snapshot.maximum == 105)
  }

  /// Extremes are taken apart from the counts: both must say the same.
  @Test func `keeps the exact extremes`() {
    let histogram = LatencyHistogram()
    for value in [1_000_003, 7, 999_999_999] as [UInt64] { histogram.record(value) }
    #expect(histogram.snapshot().minimum == 7)
    #expect(histogram.snapshot().maximum == 999_999_999)
    #expect(histogram.snapshot().percentile(0) == 7)
    #expect(histogram.snapshot().percentile(100) == 999_999_999)
  }

  @Test func `is empty at first`() {
    let snapshot = LatencyHistogram().snapshot()
    #expect(snapshot == LatencySnapshot())
    #expect(snapshot.count == 0 && snapshot.mean == 0 && snapshot.percentile(99) == 0)
    #expect(snapshot.summary == "nothing recorded")
  }

  /// Touch latencies come from workloads as counts; they must arrive as if recorded here.
  @Test func `takes counts from elsewhere`() {
    let (here, there, all) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
    for value in 1...5000 as ClosedRange<UInt64> {
      (value % 3 == 0 ? here : there).record(value * 17)
      all.record(value * 17)
    }
    here.record(there.snapshot())
    #expect(here.snapshot() == all.snapshot())
  }

  /// The top bucket has no upper end; its latencies must still be reported as they were.
  @Test func `keeps a latency of an hour`() {
    let histogram = LatencyHistogram()
    histogram.record(3_600_000_000_000)
    #expect(histogram.snapshot().maximum == 3_600_000_000_000)
    #expect(histogram.snapshot().percentile(50) == 3_600_000_000_000)
  }
}
