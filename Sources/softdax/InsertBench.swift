internal import CSoftdax
internal import Glibc
internal import SystemPackage

/// The measurements of `bench insert`, interleaved.
struct InsertBench {
  /// One row: what is measured, on which pages, where.
  struct Plan {
    var name: String
    var work: UInt32
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
  private var memfds: [UInt64: Int32] = [:]
  private var servers: [UInt64: BenchServer] = [:]
  private let everywhere = sd_bench_cpus_allowed()
  private let cpu: Int32

  init(repetitions: Int, pages: UInt64, withServer: Bool) throws {
    self.repetitions = repetitions
    cpu = sd_bench_cpus_first(everywhere)
    let small: UInt64 = 4096
    memfds[small] = try Self.memfd(pages: pages, pageSize: small)
    let touch = UInt32(SD_BENCH_TOUCH)
    plans = [
      Plan(
        name: "4K demand insert, one CPU", work: touch, pages: pages, pageSize: small,
        isPinned: true, target: .atMost(1.10)),
      Plan(
        name: "4K demand insert, not pinned", work: touch, pages: pages, pageSize: small,
        isPinned: false, target: .atMost(1.10)),
      Plan(
        name: "4K eager insert (MAP_POPULATE)", work: UInt32(SD_BENCH_POPULATE), pages: pages,
        pageSize: small, isPinned: true, target: .atMost(1.10)),
      Plan(
        name: "4K access once inserted", work: UInt32(SD_BENCH_ACCESS), pages: pages,
        pageSize: small, isPinned: true, target: .within(0.02)),
    ]
    try addHugePages(withServer: withServer)
    guard withServer else { return }
    for (size, count) in Dictionary(plans.map { ($0.pageSize, $0.pages) }, uniquingKeysWith: max) {
      servers[size] = try BenchServer.start(size: size * count, pageSize: size)
    }
  }

  /// The 2M row, when both sides can have pages at the same time.
  private mutating func addHugePages(withServer: Bool) throws {
    let size: UInt64 = 1 << 21
    let name = "2M demand insert, one CPU"
    let free = HostFile.number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") ?? 0
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
        name: name, work: UInt32(SD_BENCH_TOUCH), pages: pages, pageSize: size, isPinned: true,
        target: .atMost(1.10)))
  }

  /// Measures everything; takes some seconds.
  mutating func run() throws -> InsertReport {
    defer {
      sd_bench_place(everywhere)
      for memfd in memfds.values { sd_bench_close(memfd) }
      for server in servers.values { server.stop() }
    }
    var rows = plans.map { InsertReport.Row($0, hasServer: !servers.isEmpty) }
    var control: [Double] = []
    // The first round is not counted: it creates what later ones find.
    for repetition in 0...repetitions {
      sd_bench_place(sd_bench_cpus_one(cpu))
      let roundTrip = sd_bench_round_trip()
      if repetition > 0 { control.append(roundTrip) }
      for (index, plan) in plans.enumerated() {
        sd_bench_place(plan.isPinned ? sd_bench_cpus_one(cpu) : everywhere)
        for isOurs in repetition % 2 == 0 ? [false, true] : [true, false] {
          guard !isOurs || servers[plan.pageSize] != nil else { continue }
          let figures = try measure(plan, isOurs: isOurs)
          if repetition > 0 { rows[index].add(figures, isOurs: isOurs) }
        }
      }
    }
    return InsertReport(
      host: HostFacts.current(), cpu: cpu, cpusAllowed: sd_bench_cpus_count(everywhere),
      repetitions: repetitions, attach: attachMode(), control: Control(control), rows: rows,
      skipped: skipped, descriptorBytesPerPage: servers[4096]?.descriptorBytes)
  }

  private func measure(_ plan: Plan, isOurs: Bool) throws(CommandFailure) -> PassFigures {
    let pass = sd_bench_pass(
      work: plan.work, reserved: 0, pages: plan.pages, page_size: plan.pageSize)
    let program = "/proc/self/exe"
    let figures: sd_bench_figures
    if isOurs, let server = servers[plan.pageSize] {
      figures = unsafe sd_bench_device(
        pass, program, server.device, server.preload, server.directory)
    } else {
      figures = unsafe sd_bench_baseline(pass, program, memfds[plan.pageSize] ?? -1)
    }
    guard figures.error == 0 else {
      throw CommandFailure(
        "\(plan.name), \(isOurs ? "softdax" : "C"): the measuring child failed: "
          + "\(Errno(rawValue: -figures.error)); `softdax check` says what works here")
    }
    guard figures.present == plan.pages else {
      throw CommandFailure(
        "\(plan.name), \(isOurs ? "softdax" : "C"): \(figures.present) of \(plan.pages) pages "
          + "were mapped at the end; the figure would be wrong")
    }
    return PassFigures(figures)
  }

  /// Which userfaultfd the C side got: the system's, for both sides alike.
  private func attachMode() -> String {
    if sd_probe_userfaultfd(SD_PROBE_SYSTEM_CALL).error == 0 { return "userfaultfd(2)" }
    if sd_probe_userfaultfd(SD_PROBE_DEVICE).error == 0 { return "/dev/userfaultfd" }
    return "userfaultfd(2), user mode only"
  }

  private static func memfd(pages: UInt64, pageSize: UInt64) throws(CommandFailure) -> Int32 {
    let shift = pageSize == 4096 ? 0 : Int32(pageSize.trailingZeroBitCount)
    let memfd = sd_bench_memfd(pages * pageSize, shift)
    guard memfd >= 0 else {
      throw CommandFailure(
        "memfd of \(pages * pageSize) bytes: \(Errno(rawValue: -memfd)); use fewer --pages")
    }
    return memfd
  }
}
