internal import Latency
import Testing

@Suite struct `the latency clock` {
  /// A wrong calibration would scale every figure that softdax reports.
  @Test(.timeLimit(.minutes(20)))
  func `agrees with the system's clock`() {
    Clock.calibrate()
    // A preemption between two stamps spoils one comparison; a wrong scale spoils every one.
    #expect((0..<50).contains { _ in Self.agrees() })
  }

  /// Whether 10 ms on the system's clock are 10 ms here, to one part in a hundred.
  private static func agrees() -> Bool {
    let system = ContinuousClock()
    let start = (Clock.now(), system.now)
    var end = (Clock.now(), system.now)
    while end.1 - start.1 < .milliseconds(10) { end = (Clock.now(), system.now) }
    let told = Double(Clock.nanoseconds(from: start.0, to: end.0))
    let passed = Double((end.1 - start.1).components.attoseconds) / 1e9
    return abs(told - passed) < passed * 0.01
  }

  @Test func `takes stamps in the wrong order as no time`() {
    #expect(Clock.nanoseconds(from: Ticks(rawValue: 2), to: Ticks(rawValue: 1)) == 0)
    #expect(Clock.nanoseconds(from: Ticks(rawValue: 2), to: Ticks(rawValue: 2)) == 0)
  }

  @Test func `says where its ticks come from`() {
    #expect(["tsc", "clock_gettime"].contains(Clock.source))
  }
}
