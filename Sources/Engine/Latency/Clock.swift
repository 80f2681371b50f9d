public import CSoftdax

/// A moment on the monotonic clock; only differences mean anything, and only through `Clock`.
public struct Ticks: Sendable, Hashable {
  /// TSC cycles where the counter is invariant, else ns: see softdax_clock.h.
  public let rawValue: UInt64

  @inlinable
  public init(rawValue: UInt64) { self.rawValue = rawValue }
}

/// Time stamps cheap enough for the fault path: 10 ns each, no system call.
public enum Clock {
  /// Measures the counter's rate; waits until the process is 10 ms old, the first time only.
  ///
  /// Call it once before measuring starts. Without it the first conversion waits instead.
  public static func calibrate() { sd_clock_calibrate() }

  /// The current moment.
  @inlinable
  public static func now() -> Ticks { Ticks(rawValue: sd_ticks()) }

  /// The ns that passed between two moments; 0 if `end` is the earlier one.
  ///
  /// Stamps of two CPUs can be a few ns out of order, which must not become 2^64.
  @inlinable
  public static func nanoseconds(from start: Ticks, to end: Ticks) -> UInt64 {
    end.rawValue > start.rawValue ? sd_ticks_to_ns(end.rawValue - start.rawValue) : 0
  }

  /// What the ticks are, for reports: "tsc" or "clock_gettime".
  public static var source: String { sd_clock_reads_counter() != 0 ? "tsc" : "clock_gettime" }
}
