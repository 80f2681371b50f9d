internal import FuseMount
internal import Latency
internal import LinuxSys
internal import Synchronization
internal import SystemPackage

/// A workload's mounts, and the thread that does what must wait for the agent: answers some touches of files, takes pages that nobody waits for.
///
/// The fault thread never waits for it: the agent, in mremap, waits for the fault thread to read that event.
final class FileFaults: Sendable {
  enum Job: Sendable {
    case answer(Touch)
    case zap(Range<UInt64>, device: Int)
  }
  struct Touch: Sendable {
    let touch: FileTouch
    let isMissing: Bool
    let thread: Int32
    let read: Ticks
  }
  struct Entered: Sendable {
    let mount: FilesystemMount
    let space: Int
  }
  private let entered = Mutex<[Entered]>([])
  private let jobs = Mutex<[Job]>([])
  private let count = EventCount()
  private let worker = Mutex<WorkerThread?>(nil)
  private let active = Atomic(false)
  private let ending = Atomic(false)

  /// Some file has been mapped. Never goes back.
  @inline(__always)
  var isActive: Bool { active.load(ordering: .acquiring) }

  var mounts: [Entered] { isActive ? entered.withLock { $0 } : [] }

  /// The address space's number in a mount.
  func space(
    in mount: FilesystemMount, host: () -> any WindowHost,
    carryOut: @escaping @Sendable (Job) -> Void
  ) throws(Errno) -> Int {
    try worker.withLock { worker throws(Errno) in
      guard worker == nil else { return }
      worker = try WorkerThread(name: "softdax-files") { [self] in serve(carryOut) }
    }
    return entered.withLock { entered in
      if let found = entered.first(where: { $0.mount === mount }) { return found.space }
      let space = mount.enter(host())
      entered.append(Entered(mount: mount, space: space))
      active.store(true, ordering: .releasing)
      return space
    }
  }

  func later(_ job: Job) {
    jobs.withLock { $0.append(job) }
    count.advance()
  }

  private func serve(_ carryOut: (Job) -> Void) {
    while !ending.load(ordering: .acquiring) {
      let seen = count.current
      let jobs = jobs.withLock { jobs in
        defer { jobs = [] }
        return jobs
      }
      for job in jobs { carryOut(job) }
      if jobs.isEmpty { count.wait(beyond: seen) }
    }
  }

  /// The process is gone.
  func end() {
    ending.store(true, ordering: .releasing)
    count.advance()
    worker.withLock { $0 }?.join()
    for one in mounts { one.mount.leave(one.space) }
    entered.withLock { $0 = [] }
  }
}
