internal import MemoryFailure
internal import Testing

@Suite struct `a kill plan` {
  private func candidate(
    _ process: Int, _ policies: [KillPolicy], places: Int = 1, leaderIsGone: Bool = false
  ) -> Candidate {
    Candidate(
      process: process,
      threads: policies.enumerated().map {
        .init(id: process * 10 + $0.offset, policy: $0.element)
      },
      places: (0..<places).map { .init(address: UInt64(0x1000 * ($0 + 1)), shift: 12) },
      leaderIsGone: leaderIsGone)
  }

  /// Catches an unmap where nobody was collected, which the kernel does not do (MF-10).
  @Test func `without anybody to tell nothing is unmapped`() {
    let plan = KillPlan(
      candidates: [candidate(0, [.standard]), candidate(1, [.late])],
      origin: .injectionByBystander, sysctlEarlyKill: false)
    #expect(plan.orders.isEmpty)
    #expect(plan.unmapShift == nil)
    #expect(plan.verdicts == [.notEarly(process: 0), .notEarly(process: 1)])
  }

  /// Catches a sysctl that wins over a thread's own wish, or is not asked at all (MF-07, MF-08).
  @Test func `late overrides the sysctl, and another thread may still want it`() {
    let plan = KillPlan(
      candidates: [candidate(0, [.late]), candidate(1, [.late, .standard])],
      origin: .machineCheck, sysctlEarlyKill: true)
    #expect(
      plan.verdicts == [
        .notEarly(process: 0), .signalled(process: 1, thread: 11, code: .actionOptional),
      ])
  }

  /// Catches a policy that is asked of the thread that is current: it is told whatever it wants (MF-17).
  @Test func `current gets action required in the thread that asked`() {
    let plan = KillPlan(
      candidates: [candidate(0, [.late, .late], places: 2)],
      origin: .injection(process: 0, thread: 1), sysctlEarlyKill: false)
    #expect(plan.orders.map(\.thread) == [1, 1])
    #expect(plan.orders.allSatisfy { $0.code == .actionRequired })
    #expect(plan.unmapShift == 12)
  }

  /// Catches a process that is told of a page it never touched (MF-09).
  @Test func `a process without an entry is left out`() {
    let plan = KillPlan(
      candidates: [candidate(0, [.early], places: 0)], origin: .machineCheck,
      sysctlEarlyKill: true)
    #expect(plan.verdicts == [.notPresent(process: 0)])
  }

  /// Catches a worker told although its process is passed over (inferred, N6).
  @Test func `MF-18: a process whose main thread has ended is passed over`() {
    let plan = KillPlan(
      candidates: [candidate(0, [.early, .early], leaderIsGone: true), candidate(1, [.early])],
      origin: .consumed(process: 0, thread: 1), sysctlEarlyKill: true)
    #expect(plan.verdicts.first == .leaderGone(process: 0))
    #expect(plan.orders.map(\.process) == [1])
  }

  /// Catches a driver's own memory handled as if it were a file's.
  @Test func `MF-55: private and coherent memory is its driver's: ENXIO`() {
    #expect(
      GenericFailure.decide(
        ownerKnown: true, belongsToDriver: true, candidates: [candidate(0, [.early])],
        origin: .machineCheck, sysctlEarlyKill: true) == .belongsToDriver)
  }

  /// Catches a page nobody had that is answered as if somebody did (MF-12).
  @Test func `a page without an owner is refused`() {
    #expect(
      GenericFailure.decide(
        ownerKnown: false, candidates: [], origin: .machineCheck, sysctlEarlyKill: false)
        == .ownerUnknown)
  }
}
