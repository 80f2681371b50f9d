internal import DaxModel
internal import FaultEngine
internal import LinuxSys
internal import Medium
internal import PageModel
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import TestSupport

/// Whether this process may have a userfaultfd of any kind.
let hasUserfaultfd: Bool = {
  guard let one = openUserfaultfd() else { return false }
  return (try? one.handshake(Workload.features)) != nil
}()

private func openUserfaultfd() -> Userfaultfd? {
  do throws(Errno) { return try Userfaultfd() } catch {
    return try? Userfaultfd(userModeOnly: true)
  }
}

/// A workload that is this very process: the test's mappings are its windows.
///
/// The fault thread ends with its owner.
final class OwnWorkload {
  /// Bytes in which the test counts: a page of the medium.
  let page: UInt64
  let device: DaxDevice
  let agent: OwnAgent
  private(set) var workload: Workload?
  private var faults: WorkerThread?

  /// - Parameters:
  ///   - pages: Of the device: of 4 KiB, or a real device's own.
  ///   - alignment: Of the device, if that is more than a page.
  ///   - medium: Instead of the kind's own.
  init(
    pages: UInt64 = 64, alignment: PageSize = .base, on kind: TestMedium = .continued,
    options: InsertionOptions = InsertionOptions(),
    medium given: (any Medium)? = nil
  ) throws {
    let page = try kind.page
    self.page = page
    let medium = try given ?? kind.make(bytes: pages * page)
    let alignments = [alignment, .huge, .giant]
    device = try DaxDevice(
      name: "dax0.0", medium: medium,
      alignment: alignments.first { $0.bytes >= page } ?? alignment)
    agent = OwnAgent(medium)
    guard let userfaultfd = openUserfaultfd() else { throw Errno.notPermitted }
    let workload = try Workload(
      process: ThisProcess.identifier, command: "test", devices: [device],
      userfaultfd: userfaultfd, agent: agent, options: options)
    self.workload = workload
    faults = try WorkerThread(name: "softdax-fault") { _ = workload.serveFaults() }
  }

  /// Maps `pages` of the device from page `first` on and enters them as a window, as the shim does.
  func map(first: UInt64 = 0, pages: UInt64, populate: Bool = false) throws -> Mapping {
    let (offset, length) = (first * page, pages * page)
    // As aligned as the largest block that a test inserts at once.
    let mapping = try Mapping(
      reserving: length, alignment: max(device.geometry.alignment.bytes, page << 4))
    switch device.medium.insertion {
    case .continued: try device.medium.withDescriptor { try mapping.put($0, offset: offset) }
    case .remapped: try mapping.putZeroes()
    }
    try workload?.add(
      device: 0, address: mapping.address, length: length, offset: offset,
      protection: [.read, .write], access: .readWrite, populate: populate)
    return mapping
  }

  /// What a system call of the process does, in its two phases.
  func change(
    _ change: Change, _ mapping: Mapping, _ offset: UInt64 = 0, length: UInt64? = nil,
    newAddress: UInt64 = 0, _ call: () throws -> Void
  ) throws {
    let length = length ?? mapping.length
    _ = try workload?.begin(
      change, address: mapping.address + offset, length: length, scratch: 0, id: 1)
    try call()
    workload?.complete(id: 1, succeeded: true, newAddress: newAddress, newLength: length)
  }

  /// Insertions since the beginning, once there are `count`: a touch returns before its insertion is noted.
  func inserted(_ count: UInt64) -> UInt64 {
    waitUntil { device.insertedEver >= count }
    return device.insertedEver
  }

  /// Faults answered since the beginning, once there are `count`: noted after the touch returns, likewise.
  func faulted(_ count: UInt64) -> UInt64 {
    waitUntil { device.faultsEver >= count }
    return device.faultsEver
  }

  /// Pages of the device that the mapping's page table holds.
  func presentPages(_ mapping: Mapping) -> Int { mapping.presentPages / Int(page >> 12) }

  /// Mapcounts of the device's folios.
  var mapcounts: [UInt32] {
    (0..<device.pagemap.folioCount).map { device.pagemap.counts(folio: $0).mapcount }
  }

  /// The process dies, as the server sees it: faults are no longer answered, and every reference goes back.
  func end() {
    guard let workload, let faults else { return }
    workload.stopFaults(faults)
    workload.end()
    self.faults = nil
    // Closes the userfaultfd: whoever still waits gets the page from the kernel.
    self.workload = nil
  }

  deinit { end() }
}

/// An agent in this process: maps what it is told to.
final class OwnAgent: Agent {
  /// Byte offsets of the device that it was told to map, in order.
  let insertions = Mutex<[UInt64]>([])
  let withdrawals = Atomic(0)
  /// The next insertion fails with this.
  let failure = Mutex<Errno?>(nil)
  private let medium: any Medium

  init(_ medium: any Medium) { self.medium = medium }

  func insert(
    device: Int, address: UInt64, length: UInt64, offset: UInt64, protection: Protection
  ) throws(Errno) {
    if let failure = failure.withLock({ $0 }) { throw failure }
    insertions.withLock { $0.append(offset) }
    try medium.withDescriptor { file throws(Errno) in
      try Mapping.put(file, offset: offset, at: address, length: length)
    }
  }

  /// A real agent maps what is SIGBUS; here the touch is let go on.
  func withdraw(address: UInt64, length: UInt64, protection: Protection) throws(Errno) {
    withdrawals.add(1, ordering: .relaxed)
    try Mapping.putZeroes(at: address, length: length)
  }

  func empty(address: UInt64, length: UInt64, protection: Protection) throws(Errno) {
    throw .notSupported
  }
}

/// A medium that has no pages and can get none: a full filesystem.
final class FullMedium: Medium {
  let kind = MediumKind.memfd
  let path = ""
  let insertion = Insertion.continued
  private let memory: MemoryMedium

  init(pages: UInt64) throws {
    memory = try MemoryMedium(name: "softdax-test", size: pages << 12)
  }

  var size: UInt64 { memory.size }
  var pageBytes: UInt64 { memory.pageBytes }

  func withDescriptor<Result, Failure: Error>(
    _ body: (borrowing OwnedDescriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result { try memory.withDescriptor(body) }

  func fill(offset: UInt64, length: UInt64) throws(Errno) { throw .noSpace }
}

/// A medium whose pages the kernel cannot install: what a file on a disk is, without a disk.
final class RemappedMedium: Medium {
  let kind = MediumKind.file
  let path = ""
  let insertion = Insertion.remapped
  private let memory: MemoryMedium

  init(_ memory: MemoryMedium) { self.memory = memory }

  var size: UInt64 { memory.size }
  var pageBytes: UInt64 { memory.pageBytes }

  func withDescriptor<Result, Failure: Error>(
    _ body: (borrowing OwnedDescriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result { try memory.withDescriptor(body) }

  func fill(offset: UInt64, length: UInt64) throws(Errno) {
    try memory.fill(offset: offset, length: length)
  }
}
