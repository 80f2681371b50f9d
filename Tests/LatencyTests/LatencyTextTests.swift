internal import Latency
import Testing

@Suite struct `latencies as text` {
  @Test(
    arguments: [
      (0, "0 ns"), (999, "999 ns"), (1000, "1.00 µs"), (5986, "5.99 µs"), (9994, "9.99 µs"),
      (9995, "10.0 µs"), (12_345, "12.3 µs"), (99_960, "100 µs"), (999_400, "999 µs"),
      (999_600, "1.00 ms"), (12_000_000, "12.0 ms"), (1_500_000_000, "1.50 s"),
      (3_600_000_000_000, "3600 s"),
    ] as [(UInt64, String)])
  func `have three digits and a unit`(nanoseconds: UInt64, text: String) {
    #expect(LatencySnapshot.text(nanoseconds) == text)
  }

  @Test func `fit one line with the percentiles people ask for`() {
    let snapshot = `a latency snapshot`.snapshot(of: (1...1000).map { $0 * 10 })
    #expect(
      snapshot.summary
        == "n 1000  min 10 ns  p50 5.02 µs  p90 9.02 µs  p99 9.92 µs  p99.9 10.0 µs  max 10.0 µs")
  }

  /// A range that is missing or counted twice would show as a sum that is not the total.
  @Test(arguments: [1, 3, 100, 10_000])
  func `are drawn without losing any`(count: Int) {
    let snapshot = `a latency snapshot`.snapshot(of: `a latency snapshot`.latencies(count))
    let lines = snapshot.bars(width: 20).split(separator: "\n")
    let counts = lines.compactMap { line in
      line.split(separator: "|").last.flatMap { UInt64($0.split(separator: " ")[0]) }
    }
    #expect(counts.reduce(0, +) == UInt64(count))
    #expect(lines.count <= 64 && !lines.isEmpty)
  }
}
