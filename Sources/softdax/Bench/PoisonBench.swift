internal import FailureEngine
internal import Latency
internal import LinuxSys
internal import PmemBase
internal import SystemPackage

/// The measurements of `bench poison`, interleaved.
struct PoisonBench {
  enum Side: CaseIterable { case baseline, lossy, softdax }

  private let repetitions: Int
  private let rounds: Int
  private let memory: BenchMemory
  private let server: BenchServer
  private let cpu: Int32
  private let everywhere = ProcessorSet.allowed

  init(repetitions: Int, rounds: Int) throws {
    self.repetitions = repetitions
    self.rounds = rounds
    cpu = everywhere.first
    do throws(Errno) {
      memory = try BenchMemory(pages: 1, pageSize: 4096)
    } catch {
      throw CommandFailure("memfd: \(error)")
    }
    server = try BenchServer.start(size: 1 << 20, pageSize: 4096)
  }

  /// Measures everything; takes some seconds.
  func run() throws -> PoisonReport {
    defer {
      try? everywhere.placeThisProcess()
      server.stop()
    }
    var arming: [UInt32: PoisonReport.Row] = [:]
    for mappings in PoisonReport.mappings {
      let noun = mappings == 1 ? "mapping" : "mappings"
      arming[mappings] = PoisonReport.Row(
        name: "inject and arm, \(mappings) \(noun)", target: .atMost(1.3))
    }
    var delivery = PoisonReport.Row(name: "armed page to the handler", target: .atMost(1.2))
    var control: [Double] = []
    // The first repetition is not counted.
    for repetition in 0...repetitions {
      do throws(Errno) {
        try ProcessorSet.one(cpu).placeThisProcess()
        let roundTrip = try BenchPass.roundTrip()
        if repetition > 0 { control.append(roundTrip) }
      } catch {
        throw CommandFailure("control: \(error)")
      }
      for mappings in PoisonReport.mappings {
        let sides = repetition % 2 == 0 ? Side.allCases : Side.allCases.reversed()
        for side in sides {
          let (total, again) = try measure(side, mappings: mappings)
          guard repetition > 0 else { continue }
          arming[mappings]?.add(total, side)
          if mappings == 1 { delivery.add(again, side) }
        }
      }
    }
    return PoisonReport(
      host: HostFacts.current(), cpu: cpu, repetitions: repetitions, rounds: rounds,
      control: Control(control),
      rows: PoisonReport.mappings.compactMap { arming[$0] } + [delivery])
  }

  /// One child: ns of each round, from the injection's begin to the handler's first line, without the way between the two.
  private func measure(_ side: Side, mappings: UInt32) throws -> (PassFigures, PassFigures) {
    var totals: [Double] = []
    var again: [Double] = []
    do throws(Errno) {
      let program = "/proc/self/exe"
      let pass: PoisonPass
      if side == .softdax {
        pass = try PoisonPass(
          mappings: mappings, program: program, device: server.device,
          directory: server.directory, preload: server.preload)
      } else {
        pass = try PoisonPass(mappings: mappings, program: program, memory: memory)
      }
      for round in 0...rounds {
        try pass.touchAll()
        // Again, without a fault: by then whoever answered the first has let go of its lock.
        try pass.touchAll()
        let spent: Double
        if side == .softdax {
          let before = MonotonicClock.now
          try server.breakPage()
          spent = Double(MonotonicClock.now - before)
        } else {
          spent = try pass.inject(lossy: side == .lossy)
        }
        let touch = try pass.fail()
        if side == .softdax { try server.mendPage() } else { try pass.clear() }
        // The first brings the paths into memory.
        guard round > 0 else { continue }
        totals.append(spent + touch.first)
        again.append(touch.again)
      }
    } catch {
      throw CommandFailure(
        "\(mappings) mappings, \(side): \(error); `softdax check` says what works here")
    }
    return (PassFigures(totals), PassFigures(again))
  }
}

extension BenchServer {
  /// The device's first page: as `inject-error -n 8`.
  func breakPage() throws(Errno) { try failures.mediaError(device: 0, sectors: 0..<8) }
  func mendPage() throws(Errno) { try failures.clear(device: 0, sectors: 0..<8) }
}

extension PassFigures {
  init(_ values: [Double]) {
    let sorted = values.sorted()
    func rank(_ percent: Int) -> Double {
      sorted.isEmpty ? 0 : sorted[(sorted.count - 1) * percent / 100]
    }
    self.init(
      samples: UInt32(sorted.count), minimum: rank(0),
      mean: sorted.reduce(0, +) / Double(max(1, sorted.count)), p50: rank(50), p90: rank(90),
      p99: rank(99), maximum: rank(100))
  }
}

/// The result of `bench poison`.
struct PoisonReport: BenchReport {
  static let mappings: [UInt32] = [1, 64]

  struct Row: Encodable {
    var name: String
    var target: Target
    var baseline = InsertReport.Side()
    /// C that loses what is stored meanwhile; for information.
    var lossy = InsertReport.Side()
    var softdax = InsertReport.Side()
    /// Median over the repetitions of softdax's p50 / C's p50 beside it.
    var ratio: Double?
    var ratioOfMinima: Double?
    var isMet: Bool?

    init(name: String, target: Target) {
      self.name = name
      self.target = target
    }

    mutating func add(_ figures: PassFigures, _ side: PoisonBench.Side) {
      switch side {
      case .baseline: baseline.add(figures)
      case .lossy: lossy.add(figures)
      case .softdax: softdax.add(figures)
      }
      ratio = median(zip(softdax.passes, baseline.passes).map { $0.p50 / $1.p50 })
      isMet = ratio.map(target.isMet)
      if let ours = softdax.lowestMedian, let theirs = baseline.lowestMedian {
        ratioOfMinima = ours / theirs
      }
    }
  }

  var host: HostFacts
  var cpu: Int32
  var repetitions: Int
  var rounds: Int
  var control: Control
  var rows: [Row]

  /// Some row missed its target.
  var hasFailure: Bool { rows.contains { $0.isMet == false } }

  var text: String {
    var text = """
      softdax bench poison: ns for one page, medians of \(repetitions) interleaved repetitions of \(rounds) rounds
      inject and arm: the injection, and the first touch until the program's handler; all mappings have their marker then
      host: \(host.text); memfd, every thread on CPU \(cpu)
      control: futex round trip \(fixed(control.median, 0)) ns, drift \(fixed(control.drift, 2)) \
      (void above \(fixed(Control.limit, 2)))


      """
    var table = TextTable(
      [("", .left), ("side", .left)]
        + ["n", "min", "p50", "p90", "ratio", "of minima"].map { ($0, .right) }
        + [("target", .left), ("", .left)])
    for row in rows {
      for (name, side) in [("softdax", row.softdax), ("C", row.baseline), ("C, lossy", row.lossy)] {
        let cells =
          [name == "softdax" ? row.name : "", name, "\(side.samples)"]
          + [side.minimum, side.p50, side.p90].map { $0.map { fixed($0, 0) } ?? "-" }
        table.add(
          name == "softdax"
            ? cells + [
              row.ratio.map { fixed($0, 3) } ?? "-", row.ratioOfMinima.map { fixed($0, 3) } ?? "-",
              row.target.text, row.isMet == true ? "met" : "MISSED",
            ] : cells)
      }
    }
    text += table.text
    if control.isVoid {
      text += "VOID: the control drifted, something else ran on these CPUs; measure again\n"
    }
    return text
  }
}
