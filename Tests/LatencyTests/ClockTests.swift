internal import Latency
import Testing

@Suite struct `the latency clock` {
  /// A wrong calibration would scale every figure that softdax reports.
  @Test(.timeLimit(.minutes(1)))
  func `agrees with the system's clock`() {
    Clock.calibrate()
    let system = ContinuousClock()
    let start = (Clock.now(), system.now)
    var end = (Clock.now(), system.now)
    while end.1 - start.1 < .milliseconds(30) { end = (Clock.now(), system.now) }
    let told = Double(Clock.nanoseconds(from: start.0, to: end.0))
    let passed = Double((end.1 - start.1).components.attoseconds) / 1e9
    // A preemption between the two stamps counts too: 2 ms of slack.
    #expect(abs(told - passed) < passed * 0.001 + 2_000_000)
  }

  @Test func `takes stamps in the wrong order as no time`() {
    #expect(Clock.nanoseconds(from: Ticks(rawValue: 2), to: Ticks(rawValue: 1)) == 0)
    #expect(Clock.nanoseconds(from: Ticks(rawValue: 2), to: Ticks(rawValue: 2)) == 0)
  }

  @Test func `says where its ticks come from`() {
    #expect(["tsc", "clock_gettime"].contains(Clock.source))
  }
}
