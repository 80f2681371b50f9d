internal import ArgumentParser
internal import CSoftdax

/// The child of `bench insert`: started by CSoftdax/bench.c, which also defines what it is told.
struct BenchWorkload: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-workload", abstract: "The measuring child of `softdax bench`.",
    shouldDisplay: false)

  @Argument var work: UInt32
  @Argument var pages: UInt64
  @Argument var pageSize: UInt64
  @Argument var device: String

  func validate() throws {
    guard [4096, 1 << 21, 1 << 30].contains(pageSize) else {
      throw ValidationError("not a page size: \(pageSize)")
    }
  }

  func run() throws {
    let pass = sd_bench_pass(work: work, reserved: 0, pages: pages, page_size: pageSize)
    guard unsafe sd_bench_workload(pass, device) >= 0 else { throw ExitCode.failure }
  }
}
