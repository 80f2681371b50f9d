internal import LinuxSys
internal import SystemPackage

/// The measurements of `bench files`: first touches of a file's pages and of a device's, interleaved.
struct FileBench {
  private let repetitions: Int
  private let plans: [InsertBench.Plan]
  private let server: BenchServer
  private let directory: String
  private let everywhere = ProcessorSet.allowed
  private let cpu: Int32

  private var file: String { directory + "/file" }

  init(repetitions: Int, pages: UInt64) throws {
    self.repetitions = repetitions
    cpu = everywhere.first
    plans = [("store", BenchPass.Work.touch), ("load", .load)].map { name, work in
      InsertBench.Plan(
        name: "4K first \(name), one CPU", work: work, pages: pages, pageSize: 4096, isPinned: true,
        target: .atMost(1.15))
    }
    directory = "/tmp/softdax-bench-\(UInt64.unguessable())"
    do throws(Errno) {
      try Folder.make(directory, mode: 0o700)
    } catch {
      throw CommandFailure("\(directory): \(error)")
    }
    do {
      server = try BenchServer.start(size: pages * 4096, pageSize: 4096, mount: directory)
    } catch {
      Folder.removeIfEmpty(directory)
      throw error
    }
  }

  /// Measures everything; takes some seconds.
  func run() throws -> InsertReport {
    defer {
      try? everywhere.placeThisProcess()
      server.stop()
      Folder.removeIfEmpty(directory)
    }
    guard server.offersWindows else {
      throw CommandFailure("files have no windows here: that needs Linux 6.4")
    }
    do throws(Errno) {
      // Blocks that were written: their first touch allocates nothing.
      try SmallFile.create([], at: file, mode: 0o600)
      let chunk = [UInt8](repeating: 1, count: 1 << 18)
      for _ in 0..<(plans[0].pages * 4096) >> 18 { try SmallFile.append(chunk, to: file) }
      try ProcessorSet.one(cpu).placeThisProcess()
    } catch {
      throw CommandFailure("\(file): \(error)")
    }
    var rows = plans.map { InsertReport.Row($0, hasServer: true) }
    var control: [Double] = []
    // The first round is not counted.
    for repetition in 0...repetitions {
      let roundTrip = try InsertBench.controlled()
      if repetition > 0 { control.append(roundTrip) }
      for (index, plan) in plans.enumerated() {
        for isFile in repetition % 2 == 0 ? [false, true] : [true, false] {
          let figures = try measure(plan, isFile ? file : server.device)
          if repetition > 0 { rows[index].add(figures, isOurs: isFile) }
        }
      }
    }
    return InsertReport(
      command: "files", sides: ["file", "device"], host: HostFacts.current(), cpu: cpu,
      cpusAllowed: everywhere.count, repetitions: repetitions, attach: InsertBench.attachMode(),
      control: Control(control), rows: rows, skipped: [])
  }

  private func measure(_ plan: InsertBench.Plan, _ path: String) throws -> PassFigures {
    let pass = BenchPass(work: plan.work, pages: plan.pages, pageSize: plan.pageSize)
    let figures: BenchFigures
    do throws(Errno) {
      figures = try pass.device(
        path, directory: server.directory, preload: server.preload, program: "/proc/self/exe")
    } catch {
      throw CommandFailure("\(plan.name), \(path): the measuring child failed: \(error)")
    }
    return try InsertBench.checked(figures, plan, path)
  }
}
