internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import Glibc
internal import LinuxSys
internal import Medium
internal import MemoryFailure
internal import PageModel
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import TestSupport

/// Whether a userfaultfd of this process sees the faults of system calls: then a test can meet an error without a signal.
let seesSystemCalls: Bool = {
  guard let one = try? Userfaultfd() else { return false }
  return (try? one.handshake(Workload.features)).map { $0.contains(.poison) } ?? false
}()

/// An agent in this process.
final class OwnAgent: Agent {
  let withdrawals = Atomic(0)
  let insertions = Atomic(0)
  /// How often it says no when it is to take pages away.
  let refusals = Atomic(0)
  private let medium: any Medium
  private let isLenient: Bool

  /// - Parameter isLenient: It maps zeroes where a real one maps what is SIGBUS.
  init(_ medium: any Medium, isLenient: Bool) {
    self.medium = medium
    self.isLenient = isLenient
  }

  func insert(
    device: Int, address: UInt64, length: UInt64, offset: UInt64, protection: Protection
  ) throws(Errno) {
    insertions.add(1, ordering: .relaxed)
    try medium.withDescriptor { file throws(Errno) in
      try Mapping.put(file, offset: offset, at: address, length: length)
    }
  }

  func withdraw(address: UInt64, length: UInt64, protection: Protection) throws(Errno) {
    withdrawals.add(1, ordering: .relaxed)
    if isLenient { return try Mapping.putZeroes(at: address, length: length) }
    let nothing = try OwnedDescriptor.memfd(name: "nothing", size: 0)
    try Mapping.put(nothing, offset: 0, at: address, length: length)
  }

  func empty(address: UInt64, length: UInt64, protection: Protection) throws(Errno) {
    if refusals.load(ordering: .relaxed) > 0 {
      refusals.subtract(1, ordering: .relaxed)
      throw .notSupported
    }
    try Mapping.putZeroes(at: address, length: length)
  }
}

/// A machine with one device of 4 KiB pages whose workloads are this process.
final class Machine {
  static let page: UInt64 = 4096

  let device: DaxDevice
  let failures: MemoryFailures
  let agent: OwnAgent
  private let insertion: InsertionOptions
  private let present: Present
  private var faults: [WorkerThread] = []
  let events = Events()

  /// Workloads as the server's registry has them.
  final class Present: Sendable {
    let workloads = Mutex<[Workload]>([])
  }

  final class Events: Sendable {
    let all = Mutex<[FailureEvent]>([])
  }

  /// - Parameters:
  ///   - hasMarkers: The kernel has UFFDIO_POISON.
  ///   - file: The medium, which is mapped over; else memory.
  init(
    pages: UInt64 = 64, alignment: PageSize = .base, options: FailureOptions = FailureOptions(),
    hasMarkers: Bool = true, file: String? = nil
  ) throws {
    let size = pages * Self.page
    let medium: any Medium =
      if let file {
        try FileMedium(path: file, size: size, alignment: alignment.bytes)
      } else {
        try MemoryMedium(name: "softdax-test", size: size)
      }
    agent = OwnAgent(medium, isLenient: hasMarkers)
    insertion = InsertionOptions(usesMarkers: hasMarkers)
    device = try DaxDevice(name: "dax0.0", medium: medium, alignment: alignment)
    let present = Present()
    self.present = present
    failures = try MemoryFailures(
      devices: [device], options: options, workloads: { present.workloads.withLock { $0 } })
    let events = events
    failures.observe { event in events.all.withLock { $0.append(event) } }
    try failures.start()
    try attach()
  }

  /// One more address space, as far as the machine knows.
  func attach() throws {
    let workload = try Workload(
      process: ThisProcess.identifier, command: "test", devices: [device],
      userfaultfd: try Userfaultfd(), agent: agent, options: insertion,
      poisonHandler: failures)
    present.workloads.withLock { $0.append(workload) }
    faults.append(try WorkerThread(name: "softdax-fault") { _ = workload.serveFaults() })
  }

  var workloads: [Workload] { present.workloads.withLock { $0 } }

  func map(pages: UInt64, by index: Int = 0) throws -> Mapping {
    let mapping = try Mapping(
      reserving: pages * Self.page, alignment: device.geometry.alignment.bytes)
    if device.medium.insertion == .continued {
      try device.medium.withDescriptor { try mapping.put($0) }
    } else {
      try Mapping.putZeroes(at: mapping.address, length: mapping.length)
    }
    try workloads[index].add(
      device: 0, address: mapping.address, length: mapping.length, offset: 0,
      protection: [.read, .write], access: .readWrite, populate: false)
    return mapping
  }

  var mapcounts: [UInt32] {
    (0..<device.pagemap.folioCount).map { device.pagemap.counts(folio: $0).mapcount }
  }

  func end() {
    for (workload, thread) in zip(workloads, faults) {
      workload.stopFaults(thread)
      workload.end()
    }
    faults = []
    failures.stop()
    present.workloads.withLock { $0 = [] }
  }

  deinit { end() }
}

/// Meets errors without a signal: by a system call that reads the byte.
final class Sink {
  private let file: OwnedDescriptor

  init() throws { file = try OwnedDescriptor.memfd(name: "test", size: 4096) }

  /// Whether the byte of the mapping cannot be had.
  func finds(bad offset: UInt64, of mapping: Mapping) -> Bool {
    let count = unsafe pwrite(
      file.raw, UnsafeRawPointer(bitPattern: UInt(mapping.address + offset)), 1, 0)
    return count == -1 && errno == EFAULT
  }
}
