internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import LinuxSys
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import TestSupport
import Testing

@Suite(.serialized, .enabled(if: seesSystemCalls)) struct `Errors of the medium` {
  /// Catches markers, references, entries or bad blocks left by a round, and a healthy page that is taken for a bad one. Threads load
  /// and store beside the bad page all the time: a SIGBUS there ends the tests. And without UFFDIO_POISON, an agent that nobody asks.
  @Test(.timeLimit(.minutes(20)), arguments: [true, false])
  func `come and go ten thousand times under load and leave nothing`(hasMarkers: Bool) throws {
    let machine = try Machine(pages: 16, hasMarkers: hasMarkers)
    try machine.attach()
    let first = try machine.map(pages: 16)
    let second = try machine.map(pages: 16, by: 1)
    let sink = try Sink()
    let stops = Stop()
    let workloads = machine.workloads
    let load = try (0..<2).map { index in
      try TestThread {
        var round: UInt8 = 0
        while !stops.value.load(ordering: .relaxed) {
          round &+= 1
          let mapping = index == 0 ? first : second
          for page in UInt64(0)..<16 where page != 5 {
            // Each thread has bytes of its own, which nobody may lose.
            let at = page * 4096 + UInt64(index)
            mapping.write(round, at: at)
            if mapping.read(at) != round { stops.lost.store(true, ordering: .relaxed) }
          }
          if round % 16 == 0 { try? mapping.zapByWorkload(workloads[index], page: 4) }
        }
      }
    }
    for round in 0..<10_000 {
      let sectors: Range<UInt64> = round % 2 == 0 ? 40..<48 : 43..<44
      try machine.failures.mediaError(device: 0, sectors: sectors, isKnown: round % 3 != 0)
      if round % 4 != 0 {
        #expect(sink.finds(bad: 5 * 4096, of: first))
        if round % 8 == 1 { #expect(sink.finds(bad: 5 * 4096 + 4000, of: second)) }
      }
      try machine.failures.clear(device: 0, sectors: 40..<48)
      #expect(!sink.finds(bad: 5 * 4096, of: first) && !sink.finds(bad: 5 * 4096, of: second))
    }
    stops.value.store(true, ordering: .relaxed)
    for thread in load { thread.join() }
    let lost = stops.lost.load(ordering: .relaxed)
    #expect(!lost)
    #expect(machine.failures.badBlocks(device: 0).isEmpty)
    #expect(machine.failures.injected(device: 0).isEmpty)
    #expect(machine.device.poison.isEmpty)
    let withdrawals = machine.agent.withdrawals.load(ordering: .relaxed)
    #expect(hasMarkers ? withdrawals == 0 : withdrawals >= 7500)
    machine.end()
    #expect(machine.device.pagemap.isIdle())
  }

  final class Stop: Sendable {
    let value = Atomic(false)
    let lost = Atomic(false)
  }

  /// Catches an injection that fails and leaves its sectors bad or known, or makes those good that were bad before.
  @Test func `that cannot come leave nothing`() throws {
    let folder = try Scratch(in: "/var/tmp")
    let machine = try Machine(pages: 4, file: folder.path + "/pmem")
    try machine.failures.mediaError(device: 0, sectors: 8..<9, isKnown: false)
    let mapping = try machine.map(pages: 4)
    let before = machine.failures.injected(device: 0)
    machine.agent.refusals.store(2, ordering: .relaxed)
    #expect(throws: Errno.notSupported) {
      try machine.failures.mediaError(device: 0, sectors: 8..<24)
    }
    #expect(throws: Errno.notSupported) {
      try machine.failures.machineCheck(device: 0, sectors: 8..<24)
    }
    #expect(machine.failures.injected(device: 0) == before)
    #expect(machine.failures.badBlocks(device: 0).isEmpty)
    #expect(
      (0..<4).map { machine.device.poison.contains(page: $0) } == [false, true, false, false])
    let injections = machine.events.all.withLock { events in
      events.count { event in if case .injected = event { true } else { false } }
    }
    #expect(injections == 1)
    #expect(mapping.length == 4 * 4096)
  }

  /// Catches bytes lost beside a bad sector, and a bad sector that does not read zero.
  @Test func `cost the bad sectors' bytes and no others`() throws {
    let machine = try Machine(pages: 4)
    let mapping = try machine.map(pages: 4)
    for at in stride(from: UInt64(0), to: mapping.length, by: 64) { mapping.write(7, at: at) }
    try machine.failures.mediaError(device: 0, sectors: 9..<11)
    try machine.failures.clear(device: 0, sectors: 9..<10)
    // Half of it is bad still.
    let sink = try Sink()
    #expect(sink.finds(bad: 4096, of: mapping))
    try machine.failures.clear(device: 0, sectors: 0..<32)
    for at in stride(from: UInt64(0), to: mapping.length, by: 64) {
      #expect(mapping.read(at) == (9 * 512..<11 * 512 ~= at ? 0 : 7), "byte \(at)")
    }
  }

  /// Catches `latent` errors that are known too early or never, and a scrub that finds none.
  @Test func `are known at once, when they are met, or after a scrub`() throws {
    let machine = try Machine(pages: 8)
    let mapping = try machine.map(pages: 8)
    let sink = try Sink()
    try machine.failures.mediaError(device: 0, sectors: 0..<1)
    #expect(machine.failures.badBlocks(device: 0).ranges == [0..<1])
    try machine.failures.mediaError(device: 0, sectors: 9..<10, isKnown: false)
    try machine.failures.mediaError(device: 0, sectors: 17..<18, isKnown: false)
    #expect(machine.failures.badBlocks(device: 0).ranges == [0..<1])
    #expect(sink.finds(bad: 4096, of: mapping))
    #expect(machine.failures.badBlocks(device: 0).ranges == [0..<1, 9..<10])
    machine.failures.scrub()
    #expect(machine.failures.badBlocks(device: 0).ranges == [0..<1, 9..<10, 17..<18])
    #expect(machine.failures.poisonedPages == 1)
  }

  /// Catches a machine check whose data is gone, or that leaves no bad block.
  @Test func `of a machine check may leave the data`() throws {
    let machine = try Machine(pages: 8)
    let mapping = try machine.map(pages: 8)
    mapping.write(3, at: 4096)
    try machine.failures.machineCheck(device: 0, sectors: 9..<10, mediumIsBad: false)
    // The address is told in pages.
    #expect(machine.failures.badBlocks(device: 0).ranges == [8..<16])
    #expect(mapping.read(4096) == 3)
    #expect(machine.failures.injected(device: 0).isEmpty)
  }

  /// Catches EBUSY for a folio that somebody had, or success for one that nobody had.
  @Test func `in software need a page that some process has had`() throws {
    let machine = try Machine(pages: 8)
    let mapping = try machine.map(pages: 8)
    #expect(throws: Errno.resourceBusy) {
      try machine.failures.softwarePoison(device: 0, page: 2)
    }
    mapping.write(9, at: 2 * 4096)
    let plan = try machine.failures.softwarePoison(device: 0, page: 2)
    // This process asked for nothing early: nobody is collected, and nothing is unmapped.
    #expect(plan.orders.isEmpty && plan.unmapShift == nil)
    #expect(machine.mapcounts[2] == 1)
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try machine.failures.softwarePoison(device: 0, page: 8)
    }
  }

  /// Catches a dry run that does something, or answers otherwise than the handler.
  @Test func `can be asked about before they come`() throws {
    let machine = try Machine(pages: 8)
    let mapping = try machine.map(pages: 8)
    mapping.write(9, at: 4096)
    let thread = Int(ThisProcess.identifier)
    let origin = FailureOrigin.injection(process: thread, thread: thread)
    guard case .handled(let plan) = try machine.failures.dryRun(device: 0, page: 1, origin: origin)
    else {
      Issue.record("the owner is known")
      return
    }
    #expect(plan.orders.map(\.code) == [.actionRequired])
    #expect(plan.orders.first?.address == mapping.address + 4096)
    #expect(plan.unmapShift == 12)
    #expect(machine.mapcounts[1] == 1 && machine.failures.poisonedPages == 0)
    #expect(try machine.failures.dryRun(device: 0, page: 3, origin: origin) == .ownerUnknown)
    // The same, done: the page goes, the bytes stay, and it comes again.
    #expect(
      try machine.failures.softwarePoison(device: 0, page: 1, origin: origin) == plan)
    #expect(machine.mapcounts[1] == 0 && mapping.presentPages == 0)
    #expect(mapping.read(4096) == 9 && machine.mapcounts[1] == 1)
  }

  /// Catches a range outside of the device taken for one inside.
  @Test func `are refused outside of the device`() throws {
    let machine = try Machine(pages: 8)
    #expect(throws: Errno.outOfRange) {
      try machine.failures.mediaError(device: 0, sectors: 63..<65)
    }
    #expect(throws: Errno.invalidArgument) {
      try machine.failures.clear(device: 0, sectors: 5..<5)
    }
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try machine.failures.mediaError(device: 1, sectors: 0..<1)
    }
  }

  /// Catches a device that can be mapped, or whose pages can be had, while it is disabled; and windows that come back to life.
  @Test func `do not matter to a device that is disabled`() throws {
    let machine = try Machine(pages: 8)
    let mapping = try machine.map(pages: 8)
    for page in UInt64(0)..<8 { mapping.write(9, at: page * 4096) }
    try machine.failures.disable(device: 0)
    #expect(machine.device.pagemap.isIdle() && mapping.presentPages == 0)
    #expect(throws: Errno.noSuchAddressOrDevice) { try machine.map(pages: 8) }
    // The agent of these tests maps zeroes where a real one maps what is SIGBUS.
    #expect(mapping.read(4096) == 0)
    let withdrawals = machine.agent.withdrawals.load(ordering: .relaxed)
    #expect(withdrawals == 1)
    try machine.failures.enable(device: 0)
    #expect(mapping.read(2 * 4096) == 0)
    let again = try machine.map(pages: 8)
    #expect(again.read(4096) == 9)
    #expect(machine.mapcounts == [0, 1, 0, 0, 0, 0, 0, 0])
  }
}

extension Mapping {
  /// madvise(MADV_DONTNEED) of a page, in its two phases.
  func zapByWorkload(_ workload: Workload, page: UInt64) throws(Errno) {
    let id = UInt64.unguessable()
    _ = try workload.begin(
      .zap, address: address + page * 4096, length: 4096, scratch: 0, id: id)
    try zap(page * 4096, length: 4096)
    workload.complete(id: id, succeeded: true, newAddress: 0, newLength: 0)
  }
}
