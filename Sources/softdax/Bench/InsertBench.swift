internal import LinuxSys
internal import Medium
internal import PmemBase
internal import SystemPackage

/// The measurements of `bench insert`, interleaved.
struct InsertBench {
  /// One row: what is measured, on which pages, where.
  struct Plan {
    var name: String
    var work: BenchPass.Work
    var pages: UInt64
    var pageSize: UInt64
    /// Every thread of both processes on one CPU, or wherever the scheduler puts them.
    var isPinned: Bool
    var target: Target
  }

  private let repetitions: Int
  private var plans: [Plan] = []
  private var skipped: [String] = []
  /// By page size: the baseline's memfd and softdax's server.
  private var memfds: [UInt64: BenchMemory] = [:]
  private var servers: [UInt64: BenchServer] = [:]
  private let everywhere = ProcessorSet.allowed
  private let cpu: Int32

  init(repetitions: Int, pages: UInt64, withServer: Bool) throws {
    self.repetitions = repetitions
    cpu = everywhere.first
    let small: UInt64 = 4096
    memfds[small] = try Self.memfd(pages: pages, pageSize: small)
    plans = [
      Plan(
        name: "4K demand insert, one CPU", work: .touch, pages: pages, pageSize: small,
        isPinned: true, target: .atMost(1.10)),
      Plan(
        name: "4K demand insert, not pinned", work: .touch, pages: pages, pageSize: small,
        isPinned: false, target: .atMost(1.10)),
      Plan(
        name: "4K eager insert (MAP_POPULATE)", work: .populate, pages: pages,
        pageSize: small, isPinned: true, target: .atMost(1.10)),
      Plan(
        name: "4K access once inserted", work: .access, pages: pages,
        pageSize: small, isPinned: true, target: .within(0.02)),
    ]
    try addHugePages(withServer: withServer)
    guard withServer else { return }
    for (size, count) in Dictionary(plans.map { ($0.pageSize, $0.pages) }, uniquingKeysWith: max) {
      let server = try BenchServer.start(size: size * count, pageSize: size)
      servers[size] = server
      do throws(Errno) {
        memfds[size] = try server.memory()
      } catch {
        throw CommandFailure("the device's memory, for the other side: \(error)")
      }
    }
  }

  /// The 2M row, when both sides can have pages at the same time.
  private mutating func addHugePages(withServer: Bool) throws {
    let size: UInt64 = 1 << 21
    let name = "2M demand insert, one CPU"
    let free = HugePagePool(.huge).free
    let pages = min(64, withServer ? free / 2 : free)
    guard pages >= 4 else {
      let needed = withServer ? 8 : 4
      skipped.append(
        "\(name): skipped, \(free) huge pages of 2 MiB free and \(needed) needed; "
          + "reserve them with sysctl vm.nr_hugepages=128")
      return
    }
    memfds[size] = try Self.memfd(pages: pages, pageSize: size)
    plans.append(
      Plan(
        name: name, work: .touch, pages: pages, pageSize: size, isPinned: true,
        target: .atMost(1.10)))
  }

  /// Measures everything; takes some seconds.
  mutating func run() throws -> InsertReport {
    defer {
      try? everywhere.placeThisProcess()
      for server in servers.values { server.stop() }
    }
    var rows = plans.map { InsertReport.Row($0, hasServer: !servers.isEmpty) }
    var control: [Double] = []
    // The first round is not counted: it creates what later ones find.
    for repetition in 0...repetitions {
      try place(.one(cpu))
      let roundTrip = try Self.controlled()
      if repetition > 0 { control.append(roundTrip) }
      for (index, plan) in plans.enumerated() {
        try place(plan.isPinned ? .one(cpu) : everywhere)
        for isOurs in repetition % 2 == 0 ? [false, true] : [true, false] {
          guard !isOurs || servers[plan.pageSize] != nil else { continue }
          let figures = try measure(plan, isOurs: isOurs)
          if repetition > 0 { rows[index].add(figures, isOurs: isOurs) }
        }
      }
    }
    return InsertReport(
      command: "insert", sides: ["softdax", "C"], host: HostFacts.current(), cpu: cpu,
      cpusAllowed: everywhere.count,
      repetitions: repetitions, attach: Self.attachMode(), control: Control(control), rows: rows,
      skipped: skipped, descriptorBytes: servers[4096]?.descriptorBytes)
  }

  private func place(_ cpus: ProcessorSet) throws(CommandFailure) {
    do throws(Errno) {
      try cpus.placeThisProcess()
    } catch {
      throw CommandFailure("sched_setaffinity: \(error); allow CPU \(cpu) to this process")
    }
  }

  static func controlled() throws(CommandFailure) -> Double {
    do throws(Errno) {
      return try BenchPass.roundTrip()
    } catch {
      throw CommandFailure("no thread for the control: \(error)")
    }
  }

  private func measure(_ plan: Plan, isOurs: Bool) throws(CommandFailure) -> PassFigures {
    let pass = BenchPass(work: plan.work, pages: plan.pages, pageSize: plan.pageSize)
    let program = "/proc/self/exe"
    let side = isOurs ? "softdax" : "C"
    let figures: BenchFigures
    do throws(Errno) {
      if isOurs, let server = servers[plan.pageSize] {
        figures = try pass.device(
          server.device, directory: server.directory, preload: server.preload, program: program)
      } else if let memory = memfds[plan.pageSize] {
        figures = try pass.baseline(memory, program: program)
      } else {
        throw .badFileDescriptor
      }
    } catch {
      throw CommandFailure(
        "\(plan.name), \(side): the measuring child failed: \(error); "
          + "`softdax check` says what works here")
    }
    return try Self.checked(figures, plan, side)
  }

  /// A pass in which a page is missing is no figure.
  static func checked(
    _ figures: BenchFigures, _ plan: Plan, _ side: String
  ) throws(CommandFailure) -> PassFigures {
    guard figures.present == plan.pages else {
      throw CommandFailure(
        "\(plan.name), \(side): \(figures.present) of \(plan.pages) pages "
          + "were mapped at the end; the figure would be wrong")
    }
    return PassFigures(figures)
  }

  /// Which userfaultfd the C side got: the system's, for both sides alike.
  static func attachMode() -> String {
    if (try? HostProbe.userfaultfd(.systemCall)) != nil { return "userfaultfd(2)" }
    if (try? HostProbe.userfaultfd(.device)) != nil { return "/dev/userfaultfd" }
    return "userfaultfd(2), user mode only"
  }

  private static func memfd(pages: UInt64, pageSize: UInt64) throws(CommandFailure) -> BenchMemory {
    do throws(Errno) {
      return try BenchMemory(pages: pages, pageSize: pageSize)
    } catch {
      throw CommandFailure("memfd of \(pages * pageSize) bytes: \(error); use fewer --pages")
    }
  }
}
