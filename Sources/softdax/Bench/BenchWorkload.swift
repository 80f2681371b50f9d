internal import ArgumentParser
internal import LinuxSys

/// The child of `bench insert`: started by CSoftdax/bench.c, which also defines what it is told.
struct BenchWorkload: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-workload", abstract: "The measuring child of `softdax bench`.",
    shouldDisplay: false)

  @Argument var work: UInt32
  @Argument var pages: UInt64
  @Argument var pageSize: UInt64
  @Argument var device: String

  func run() throws {
    guard let work = BenchPass.Work(number: work), [4096, 1 << 21, 1 << 30].contains(pageSize)
    else { throw ValidationError("no such measurement; `softdax bench insert` starts this") }
    try BenchPass(work: work, pages: pages, pageSize: pageSize).measure(device)
  }
}

/// The child of `bench poison`: CSoftdax/bench_poison.c.
struct BenchPoisonWorkload: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench-poison-workload", abstract: "The measuring child of `softdax bench`.",
    shouldDisplay: false)

  @Argument var mappings: UInt32
  @Argument var device: String

  func run() throws { try PoisonPass.work(mappings: mappings, device: device) }
}
