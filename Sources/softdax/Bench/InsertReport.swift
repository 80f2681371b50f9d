internal import Latency
internal import LinuxSys

/// What one child measured; ns for one page.
struct PassFigures: Encodable, Equatable {
  var samples: UInt32
  var minimum: Double
  var mean: Double
  var p50: Double
  var p90: Double
  var p99: Double
  var maximum: Double
}

extension PassFigures {
  init(_ figures: BenchFigures) {
    self.init(
      samples: figures.samples, minimum: figures.minimum, mean: figures.mean, p50: figures.p50,
      p90: figures.p90, p99: figures.p99, maximum: figures.maximum)
  }
}

/// What a ratio of softdax to C has to be.
enum Target: Encodable, Equatable {
  case atMost(Double)
  /// That far from 1, either way.
  case within(Double)

  func isMet(by ratio: Double) -> Bool {
    switch self {
    case .atMost(let limit): ratio <= limit
    case .within(let distance): abs(ratio - 1) <= distance
    }
  }

  var text: String {
    switch self {
    case .atMost(let limit): "<= \(fixed(limit, 2))"
    case .within(let distance): "1.00 +- \(fixed(distance, 2))"
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}

/// The futex round trips beside the measurements, ns: whether the machine kept still.
struct Control: Encodable, Equatable {
  static let limit = 1.3

  var roundTrips: [Double]
  var minimum: Double
  var median: Double
  /// median / minimum.
  var drift: Double
  var isVoid: Bool

  init(_ roundTrips: [Double]) {
    self.roundTrips = roundTrips
    minimum = roundTrips.min() ?? 0
    median = softdax.median(roundTrips) ?? 0
    drift = minimum > 0 ? median / minimum : .greatestFiniteMagnitude
    isVoid = drift > Self.limit
  }
}

/// The result of `bench insert` and `bench files`.
struct InsertReport: BenchReport {
  /// One row of the table: both sides.
  struct Row: Encodable {
    var name: String
    /// Pages that one measurement takes.
    var pages: UInt64
    /// Bytes.
    var pageSize: UInt64
    var placement: String
    var target: Target
    var baseline: Side
    /// Nil when only the C side was measured.
    var softdax: Side?
    /// Median over the repetitions of softdax's p50 / C's p50 beside it.
    var ratio: Double?
    /// Smallest p50 of all, softdax / C.
    var ratioOfMinima: Double?
    var isMet: Bool?

    init(_ plan: InsertBench.Plan, hasServer: Bool) {
      name = plan.name
      pages = plan.pages
      pageSize = plan.pageSize
      placement = plan.isPinned ? "all threads on one CPU" : "not pinned"
      target = plan.target
      baseline = Side()
      softdax = hasServer ? Side() : nil
    }

    /// Takes the figures of one repetition of one side.
    mutating func add(_ figures: PassFigures, isOurs: Bool) {
      if isOurs { softdax?.add(figures) } else { baseline.add(figures) }
      guard let softdax else { return }
      ratio = median(zip(softdax.passes, baseline.passes).map { $0.p50 / $1.p50 })
      ratioOfMinima =
        if let ours = softdax.lowestMedian, let theirs = baseline.lowestMedian {
          ours / theirs
        } else {
          nil
        }
      isMet = ratio.map(target.isMet)
    }
  }

  /// One side of a row, ns for one page.
  struct Side: Encodable, Equatable {
    /// All measured accesses.
    var samples = 0
    /// The fastest single one.
    var minimum: Double?
    /// Medians over the repetitions.
    var p50: Double?
    var p90: Double?
    var p99: Double?
    var lowestMedian: Double?
    var passes: [PassFigures] = []

    mutating func add(_ figures: PassFigures) {
      passes.append(figures)
      samples += Int(figures.samples)
      minimum = passes.map(\.minimum).min()
      p50 = median(passes.map(\.p50))
      p90 = median(passes.map(\.p90))
      p99 = median(passes.map(\.p99))
      lowestMedian = passes.map(\.p50).min()
    }
  }

  /// The command's name, and what it calls the two sides: the one that is judged first.
  var command: String
  var sides: [String]
  var host: HostFacts
  /// The CPU of the pinned rows.
  var cpu: Int32
  var cpusAllowed: Int32
  var repetitions: Int
  /// How the userfaultfd was opened.
  var attach: String
  var control: Control
  var rows: [Row]
  /// Rows that were left out, and why.
  var skipped: [String]
  /// Memory that softdax took for the descriptors of the 4K rows' pages; nil when it was not measured.
  var descriptorBytes: UInt64?

  /// Some row missed its target.
  var hasFailure: Bool { rows.contains { $0.isMet == false } }

  /// For people: what it was measured on, then two lines for each row.
  var text: String {
    var text = """
      softdax bench \(command): ns for one page, medians of \(repetitions) interleaved repetitions
      demand rows are touch latencies: before the load to after it, seen by the program
      host: \(host.text); \(attach), memfd
      placement: pinned rows on CPU \(cpu), others on \(cpusAllowed) CPUs
      control: futex round trip \(fixed(control.median, 0)) ns, drift \(fixed(control.drift, 2)) \
      (void above \(fixed(Control.limit, 2)))


      """
    var table = TextTable(
      [("", .left), ("side", .left)]
        + ["n", "min", "p50", "p90", "p99", "ratio", "of minima"].map { ($0, .right) }
        + [("target", .left), ("", .left)])
    for row in rows {
      if let ours = row.softdax {
        table.add(
          [row.name, sides[0]] + Self.cells(ours)
            + [
              row.ratio.map { fixed($0, 3) } ?? "-", row.ratioOfMinima.map { fixed($0, 3) } ?? "-",
              row.target.text, row.isMet == true ? "met" : "MISSED",
            ])
      }
      table.add([row.softdax == nil ? row.name : "", sides[1]] + Self.cells(row.baseline))
    }
    text += table.text
    for line in skipped { text += line + "\n" }
    if let descriptorBytes {
      text += "page descriptors of the 4K rows: \(descriptorBytes) bytes\n"
    }
    if control.isVoid {
      text += "VOID: the control drifted, something else ran on these CPUs; measure again\n"
    }
    return text
  }

  private static func cells(_ side: Side) -> [String] {
    [String(side.samples)]
      + [side.minimum, side.p50, side.p90, side.p99].map { value in
        value.map { fixed($0, $0 < 1000 ? 1 : 0) } ?? "-"
      }
  }
}

/// The middle value; of an even count the mean of the two in the middle.
func median(_ values: [Double]) -> Double? {
  guard !values.isEmpty else { return nil }
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
