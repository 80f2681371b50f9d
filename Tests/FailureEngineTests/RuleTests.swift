internal import FailureEngine
internal import FaultEngine
internal import LinuxSys
internal import MemoryFailure
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import TestSupport
import Testing

@Suite(.serialized) struct `Errors that wait` {
  private final class Seen: Sendable {
    let faults = Mutex<[UInt64]>([])
  }

  private func rule(_ number: UInt64, page: UInt64) -> PlannedError {
    PlannedError(
      InjectionRule(moment: .fault(number), place: .offset(page * 4096), kind: .latent))
  }

  /// Catches a fault that slips by while the error is on its way, an error that comes twice, and care that is never ended.
  @Test(.timeLimit(.minutes(20)))
  func `come before exactly the n-th fault, whoever takes it`() throws {
    for number in UInt64(1)...30 {
      let machine = try Machine(pages: 16)
      try machine.attach()
      let mappings = [try machine.map(pages: 16), try machine.map(pages: 16, by: 1)]
      let seen = Seen()
      let device = machine.device
      machine.failures.observe { event in
        guard case .injected = event else { return }
        seen.faults.withLock { $0.append(device.faultsEver) }
      }
      try machine.failures.arm(device: 0, faults: number, rule(number, page: 15))
      let threads = try mappings.map { mapping in
        try TestThread { for page in UInt64(0)..<15 { _ = mapping.read(page * 4096) } }
      }
      for thread in threads { thread.join() }
      #expect(seen.faults.withLock { $0 } == [number - 1])
      #expect(device.faultsEver == 30)
      #expect(machine.failures.armed(device: 0).isEmpty)
      try machine.failures.clear(device: 0, sectors: 0..<128)
      #expect(device.poison.isEmpty)
    }
  }

  /// Catches a watcher who leaves faults slow, or sees nothing.
  @Test func `watching sees every entry come and go, and leaves nothing`() throws {
    let machine = try Machine(pages: 4)
    let mapping = try machine.map(pages: 4)
    let log = Log()
    _ = mapping.read(0)
    let name = machine.failures.observePages { log.add($0) }
    #expect(!machine.device.poison.isEmpty)
    _ = mapping.read(4096)
    try mapping.zapByWorkload(machine.workloads[0], page: 1)
    machine.failures.forget(pageObserver: name)
    _ = mapping.read(8192)
    #expect(log.all == ["fault 4096", "insert 1", "zap 1"])
    #expect(machine.device.poison.isEmpty)
  }

  private final class Log: Sendable {
    private let lines = Mutex<[String]>([])

    func add(_ event: PageEvent) {
      let line =
        switch event {
        case .fault(_, _, _, let offset, _): "fault \(offset.map { "\($0)" } ?? "of a hole")"
        case .inserted(_, _, let folios, _): "insert \(folios?.lowerBound ?? -1)"
        case .zapped(_, _, let folios, _): "zap \(folios?.lowerBound ?? -1)"
        }
      lines.withLock { $0.append(line) }
    }

    var all: [String] { lines.withLock { $0 } }
  }

  /// Catches a rule for a place that there is not, which would fail when nobody looks.
  @Test func `are refused outside of the device`() throws {
    let machine = try Machine(pages: 4)
    #expect(throws: Errno.outOfRange) {
      try machine.failures.arm(device: 0, faults: 1, rule(1, page: 4))
    }
    #expect(machine.device.poison.isEmpty)
  }
}
