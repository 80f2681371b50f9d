internal import Latency
import Testing

@Suite struct `the bucket scale` {
  /// A gap or an overlap between two buckets would lose or double latencies when they are read back.
  @Test func `covers every value once, in order`() {
    var next: UInt64 = 0
    for bucket in 0..<BucketScale.count {
      let values = BucketScale.values(of: bucket)
      #expect(values.lowerBound == next)
      #expect(BucketScale.bucket(of: values.lowerBound) == bucket)
      #expect(BucketScale.bucket(of: values.upperBound) == bucket)
      next = values.upperBound + 1
    }
    #expect(next == BucketScale.limit)
  }

  /// A bucket that is too wide would make every percentile wrong by more than the promised 1 %.
  @Test func `is never off by more than one per cent`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let value = UInt64.random(in: 0..<(1 << UInt64.random(in: 1...40)), using: &random)
      let values = BucketScale.values(of: BucketScale.bucket(of: value))
      #expect(values.contains(value))
      #expect(Double(values.upperBound - values.lowerBound) <= Double(value) * 0.01)
    }
  }

  /// A latency of hours, or a bucket number from a broken peer, must not index past the end.
  @Test func `takes what is too large as the last bucket`() {
    #expect(BucketScale.bucket(of: BucketScale.limit) == BucketScale.count - 1)
    #expect(BucketScale.bucket(of: .max) == BucketScale.count - 1)
    #expect(BucketScale.values(of: .max) == BucketScale.values(of: BucketScale.count - 1))
  }
}
