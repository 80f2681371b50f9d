public import Latency

/// How long it took to insert pages of a mount's files, in ns. Any thread.
public struct FaultLatencies: Sendable {
  /// Event read to page installed; then its two parts: until the model has decided, and the system calls, the agent's too.
  public let insert = LatencyHistogram()
  public let lookup = LatencyHistogram()
  public let install = LatencyHistogram()

  @inline(__always)
  func note(read: Ticks, counted: Ticks, installed: Ticks) {
    insert.record(Clock.nanoseconds(from: read, to: installed))
    lookup.record(Clock.nanoseconds(from: read, to: counted))
    install.record(Clock.nanoseconds(from: counted, to: installed))
  }
}
