/// How long it took to insert pages of a device, in ns. Any thread.
public struct FaultLatencies: Sendable {
  /// Event read to page installed.
  public let insert = LatencyHistogram()
  /// Its first part: until the references are counted.
  public let lookup = LatencyHistogram()
  /// Its second part: the system calls, the agent's too.
  public let install = LatencyHistogram()

  public init() {}

  /// Cost: three records.
  @inlinable
  public func note(read: Ticks, counted: Ticks, installed: Ticks) {
    insert.record(Clock.nanoseconds(from: read, to: installed))
    lookup.record(Clock.nanoseconds(from: read, to: counted))
    install.record(Clock.nanoseconds(from: counted, to: installed))
  }
}
