internal import Latency

/// The result of `bench owners`.
struct OwnersBenchReport: BenchReport {
  /// Nanoseconds of each repetition, softdax's and the other side's.
  struct Row: Encodable {
    var name: String
    var against: String?
    /// Of the ratio; without another side, of softdax's ns.
    var target: Target?
    var softdax: [Double] = []
    var other: [Double] = []
    /// Median of the ratios of one repetition.
    var ratio: Double?
    var isMet: Bool?

    init(_ name: String, _ against: String?, _ target: Target?) {
      self.name = name
      self.against = against
      self.target = target
    }

    var hasBothSides: Bool { against == nil || !other.isEmpty }

    mutating func add(_ ours: Double, _ theirs: Double?) {
      softdax.append(ours)
      if let theirs { other.append(theirs) }
      ratio = other.isEmpty ? nil : median(zip(softdax, other).map { $0 / $1 })
      let judged = against == nil ? median(softdax) : ratio
      isMet = if let target, let judged { target.isMet(by: judged) } else { nil }
    }
  }

  var host: HostFacts
  var extents: Int
  /// Records of the index: an extent that crosses 32 MiB has two.
  var records: Int
  var repetitions: Int
  var queries: Int
  /// The loads in a chain.
  var control: Control
  var rows: [Row]
  var skipped: [String]
  var bytesPerExtent: Double
  var appendNanoseconds: Double
  var snapshotMicroseconds: Double

  static let memoryTarget = Target.atMost(27)

  /// Some row missed its target.
  var hasFailure: Bool {
    rows.contains { $0.isMet == false } || !Self.memoryTarget.isMet(by: bytesPerExtent)
  }

  var text: String {
    var text = """
      softdax bench owners: ns, medians of \(repetitions) interleaved repetitions of \(queries) questions
      \(extents) extents, \(records) records; host: \(host.text); one thread
      control: load in a chain \(fixed(control.median, 1)) ns, drift \(fixed(control.drift, 2)) \
      (void above \(fixed(Control.limit, 2)))


      """
    var table = TextTable([
      ("", .left), ("softdax", .right), ("against", .left), ("", .right), ("ratio", .right),
      ("target", .left), ("", .left),
    ])
    for row in rows {
      table.add([
        row.name, median(row.softdax).map { fixed($0, 1) } ?? "-", row.against ?? "-",
        median(row.other).map { fixed($0, 1) } ?? "-", row.ratio.map { fixed($0, 4) } ?? "-",
        row.target?.text ?? "-", row.isMet.map { $0 ? "met" : "MISSED" } ?? "",
      ])
    }
    let memoryIsMet = Self.memoryTarget.isMet(by: bytesPerExtent)
    text += table.text
    text += """
      memory: \(fixed(bytesPerExtent, 2)) bytes for each extent, target \(Self.memoryTarget.text) \
      \(memoryIsMet ? "met" : "MISSED")
      an extent appended: \(fixed(appendNanoseconds, 0)) ns; the first clone after a snapshot: \
      \(fixed(snapshotMicroseconds, 0)) µs

      """
    for line in skipped { text += line + "\n" }
    if control.isVoid {
      text += "VOID: the control drifted, something else ran on this machine; measure again\n"
    }
    return text
  }
}
