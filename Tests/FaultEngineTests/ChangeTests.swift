internal import DaxModel
internal import LinuxSys
internal import PageModel
internal import Synchronization
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import FaultEngine

/// Counts stay true while the address space changes, and when it ends.
@Suite(
  .serialized, .enabled(if: hasUserfaultfd, "userfaultfd is not permitted here: run as root"),
  .timeLimit(.minutes(20)))
struct `Changes of the address space` {
  /// Catches references that stay with a page nobody maps, and pages that cannot be touched again.
  @Test func `a zap gives back the references of its range only`() throws {
    let own = try OwnWorkload(pages: 16)
    let page = own.page
    let mapping = try own.map(pages: 16, populate: true)
    mapping.write(5, at: 4 * page)
    try own.change(.zap, mapping, 4 * page, length: 8 * page) {
      try mapping.zap(4 * page, length: 8 * page)
    }
    #expect(own.mapcounts == (0..<16).map { (4..<12).contains($0) ? 0 : 1 })
    #expect(mapping.read(4 * page) == 5)
    #expect(own.mapcounts[4] == 1)
    #expect(own.inserted(17) == 17)
  }

  /// Catches a window that outlives its mapping.
  @Test(arguments: TestMedium.all)
  func `munmap gives back what it unmapped, once`(on medium: TestMedium) throws {
    let own = try OwnWorkload(pages: 16, on: medium)
    let page = own.page
    let mapping = try own.map(pages: 16, populate: true)
    try own.change(.unmap, mapping, 0, length: 8 * page) { try mapping.unmap(0, length: 8 * page) }
    #expect(own.mapcounts == (0..<16).map { $0 < 8 ? 0 : 1 })
    try own.change(.unmap, mapping, 8 * page, length: 8 * page) {
      try mapping.unmap(8 * page, length: 8 * page)
    }
    #expect(own.device.pagemap.isIdle())
    #expect(own.workload?.maps(device: 0) == false)
  }

  /// Catches pages that lose their count, or their registration, on the way.
  @Test func `pages travel with mremap, and the rest is still demanded`() throws {
    let own = try OwnWorkload(pages: 16)
    let page = own.page
    let mapping = try own.map(pages: 16)
    mapping.write(9, at: 2 * page)
    let target = try Mapping(reserving: 16 * page)
    let move = Change.move(
      newLength: 16 * page, target: target.address, mayMove: true, fixed: true)
    try own.change(move, mapping, newAddress: target.address) { try mapping.move(to: target) }
    #expect(target.read(2 * page) == 9)
    _ = target.read(3 * page)
    #expect(own.mapcounts == (0..<16).map { $0 == 2 || $0 == 3 ? 1 : 0 })
    #expect(own.inserted(2) == 2)
  }

  /// Catches a fault that is answered in the middle of a change (its page would be counted and gone), or never.
  @Test(arguments: [true, false])
  func `a touch in a range under change waits until the change is over`(completes: Bool) throws {
    let own = try OwnWorkload(pages: 8)
    let workload = try #require(own.workload)
    let mapping = try own.map(pages: 8)
    mapping.write(1, at: 0)
    let plan = try workload.begin(
      .zap, address: mapping.address, length: mapping.length, scratch: 0, id: 7)
    #expect(plan.effect == .perform)
    let thread = try TestThread { _ = mapping.read(3 * 4096) }
    waitUntil { workload.state.withLock { $0.waiting.count } == 1 }
    #expect(!thread.hasEnded)
    #expect(own.mapcounts[3] == 0)
    if completes {
      try mapping.zap(0, length: mapping.length)
      workload.complete(id: 7, succeeded: true, newAddress: 0, newLength: 0)
    } else {
      workload.abandon(id: 7)
    }
    thread.join()
    #expect(own.mapcounts == (0..<8).map { $0 == 3 || $0 == 0 && !completes ? 1 : 0 })
    #expect(workload.state.withLock { $0.waiting.isEmpty })
  }

  /// Catches a thread that waits for ever for a page of a window that is gone.
  @Test func `a touch that waited for munmap finds the mapping gone`() throws {
    let own = try OwnWorkload(pages: 8)
    let workload = try #require(own.workload)
    let mapping = try own.map(pages: 8)
    _ = try workload.begin(
      .unmap, address: mapping.address, length: mapping.length, scratch: 0, id: 7)
    let thread = try TestThread { _ = mapping.read(0) }
    waitUntil { workload.state.withLock { $0.waiting.count } == 1 }
    // Something else is mapped over it, which is an unmap to the server: the thread goes on there.
    try mapping.putZeroes()
    workload.complete(id: 7, succeeded: true, newAddress: 0, newLength: 0)
    thread.join()
    #expect(own.device.pagemap.isIdle())
  }

  /// Catches two changes of one range at a time, and one that never gets its turn.
  @Test func `a second change of a range under change waits for the first`() throws {
    let own = try OwnWorkload(pages: 8)
    let workload = try #require(own.workload)
    let mapping = try own.map(pages: 8)
    let address = mapping.address
    _ = try workload.begin(.zap, address: address, length: mapping.length, scratch: 0, id: 1)
    let second = try TestThread {
      _ = try? workload.begin(.unmap, address: address + 4096, length: 4096, scratch: 0, id: 2)
    }
    Pause.milliseconds(5)
    #expect(!second.hasEnded)
    workload.abandon(id: 1)
    second.join()
    #expect(workload.state.withLock { $0.space.isChanging(address + 4096..<address + 8192) })
    #expect(workload.state.withLock { !$0.space.isChanging(address..<address + 4096) })
    workload.abandon(id: 2)
    workload.abandon(id: 2)
    #expect(workload.state.withLock { !$0.space.isChanging })
  }

  /// Catches a request thread that waits for a change which nobody can complete any more.
  @Test func `a change that waits ends with the workload`() throws {
    let own = try OwnWorkload(pages: 8)
    let workload = try #require(own.workload)
    let mapping = try own.map(pages: 8)
    let (address, length) = (mapping.address, mapping.length)
    _ = try workload.begin(.zap, address: address, length: length, scratch: 0, id: 1)
    let answer = Mutex<Errno?>(nil)
    let second = try TestThread {
      do throws(Errno) {
        _ = try workload.begin(.unmap, address: address, length: length, scratch: 0, id: 2)
      } catch {
        answer.withLock { $0 = error }
      }
    }
    own.end()
    second.join()
    #expect(answer.withLock { $0 } == .noSuchProcess)
  }

  /// Catches references that die with nobody to give them back, and a device that stays busy.
  @Test(arguments: TestMedium.all)
  func `the end gives back everything, with a fault under way`(on medium: TestMedium) throws {
    let own = try OwnWorkload(pages: 64, on: medium)
    let page = own.page
    let mapping = try own.map(pages: 64)
    for index in UInt64(0)..<32 { mapping.write(1, at: index * page) }
    _ = try own.workload?.begin(
      .zap, address: mapping.address, length: mapping.length, scratch: 0, id: 7)
    let thread = try TestThread { _ = mapping.read(40 * page) }
    waitUntil { own.workload?.state.withLock { $0.waiting.count } == 1 }
    own.end()
    // The kernel lets go of who waited when the userfaultfd closes.
    thread.join()
    #expect(own.device.pagemap.isIdle())
    #expect(own.device.pagemap.mappedFolios() == 0)
  }

  /// Catches references taken by an insertion that the end overtakes.
  @Test(arguments: TestMedium.all)
  func `the end in the middle of a storm leaves every page idle`(on medium: TestMedium) throws {
    for _ in 0..<5 {
      let count = try medium.pages(upTo: 2048)
      let own = try OwnWorkload(pages: count, on: medium)
      let page = own.page
      let mapping = try own.map(pages: count)
      let threads = try (0..<4).map { part in
        try TestThread {
          let share = count / 4
          for index in 0..<share { _ = mapping.read((UInt64(part) * share + index) * page) }
        }
      }
      waitUntil { own.device.faultsEver > 100 }
      own.end()
      for thread in threads { thread.join() }
      #expect(own.device.pagemap.isIdle())
      #expect(own.device.pagemap.violation() == nil)
    }
  }

  /// Catches a workload that can still be given windows after its end.
  @Test func `after the end no window is accepted`() throws {
    let own = try OwnWorkload(pages: 8)
    let workload = try #require(own.workload)
    let mapping = try own.map(pages: 8)
    own.end()
    #expect(throws: Errno.noSuchProcess) {
      try workload.add(
        device: 0, address: mapping.address, length: mapping.length, offset: 0,
        protection: .read, access: .readWrite, populate: false)
    }
    try workload.populate(address: mapping.address, length: mapping.length)
    #expect(own.device.pagemap.isIdle())
  }
}
