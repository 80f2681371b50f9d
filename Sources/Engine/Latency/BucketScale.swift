public import CSoftdax

/// The scale latencies are counted on: HdrHistogram's layout for two significant digits.
///
/// Below 256 ns every value has a bucket; above, every power of two is divided into 128, so that a
/// bucket's width is at most 0.8 % of its values. The C side counts on the same scale (`sd_bucket`).
public enum BucketScale {
  /// Buckets are numbered `0..<count`.
  public static let count: UInt32 = 4352

  /// Values of this many ns (2^40, 18 minutes) and more share the last bucket.
  public static let limit: UInt64 = 1 << 40

  /// The bucket of a value in ns; the last one for `limit` and more.
  @inlinable
  public static func bucket(of nanoseconds: UInt64) -> UInt32 { sd_bucket(nanoseconds) }

  /// The values, in ns, that `bucket` stands for. A number past the last bucket means the last.
  @inlinable
  public static func values(of bucket: UInt32) -> ClosedRange<UInt64> {
    let bucket = min(bucket, count - 1)
    return sd_bucket_lowest(bucket)...(sd_bucket_lowest(bucket + 1) - 1)
  }
}
