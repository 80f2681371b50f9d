internal import Latency
internal import PmemBase
internal import Wire

/// The latencies of one device, with everything that they depend on.
struct LatencyReport: Encodable {
  var device: String
  var medium: String
  /// Bytes.
  var pageSize: UInt64
  /// How workloads came under the server: by preload.
  var attach: String
  var host: HostFacts
  /// Where the server's threads may run; nil when it cannot be seen.
  var server: ThreadPlacement?
  /// By name of the figure; figures without samples are absent.
  var latencies: [String: Figures]

  /// The figure of which the histogram is shown: the first that was asked for.
  let shown: (kind: LatencyKind, snapshot: LatencySnapshot)?
  private let figures: [(kind: LatencyKind, snapshot: LatencySnapshot)]

  /// ns.
  struct Figures: Encodable, Equatable {
    var count: UInt64
    var minimum: UInt64
    var mean: Double
    var p50: UInt64
    var p90: UInt64
    var p99: UInt64
    // The snake case strategy would make it "p99_9" from no Swift name.
    var p999: UInt64
    var maximum: UInt64

    init(_ snapshot: LatencySnapshot) {
      count = snapshot.count
      minimum = snapshot.minimum
      mean = snapshot.mean
      p50 = snapshot.percentile(50)
      p90 = snapshot.percentile(90)
      p99 = snapshot.percentile(99)
      p999 = snapshot.percentile(99.9)
      maximum = snapshot.maximum
    }
  }

  private enum CodingKeys: String, CodingKey {
    case device, medium, pageSize, attach, host, server, latencies
  }

  init(
    device: DeviceInfo, host: HostFacts, server: ThreadPlacement?,
    figures: [(kind: LatencyKind, snapshot: LatencySnapshot)]
  ) {
    self.device = device.name
    medium = device.medium.rawValue
    pageSize = device.alignment
    attach = "preload"
    self.host = host
    self.server = server
    self.figures = figures
    shown = figures.first
    latencies = [:]
    for figure in figures where figure.snapshot.count > 0 {
      latencies[figure.kind.rawValue] = Figures(figure.snapshot)
    }
  }

  /// For people: what it was measured on, the table, a histogram.
  var text: String {
    var text = """
      \(device): \(medium), pages of \(Self.size(pageSize)), attached by \(attach)
      host: \(host.text)
      server: \(server?.text ?? "placement not visible"); workloads: where their users placed them

      """
    var table = TextTable(
      [("", .left)] + ["count", "min", "p50", "p90", "p99", "p99.9", "max"].map { ($0, .right) })
    for (kind, snapshot) in figures where snapshot.count > 0 {
      let isPart = (kind == .lookup || kind == .install) && figures.count > 1
      table.add(
        [(isPart ? "  " : "") + kind.rawValue, String(snapshot.count)]
          + [
            snapshot.minimum, snapshot.percentile(50), snapshot.percentile(90),
            snapshot.percentile(99), snapshot.percentile(99.9), snapshot.maximum,
          ].map(LatencySnapshot.text))
    }
    guard let shown, !latencies.isEmpty else { return text + "nothing recorded yet\n" }
    text += table.text
    if shown.snapshot.count > 0 { text += "\(shown.kind.rawValue):\n" + shown.snapshot.bars() }
    return text
  }

  /// "4 KiB", "2 MiB".
  private static func size(_ bytes: UInt64) -> String {
    if bytes >= 1 << 30 { return "\(bytes >> 30) GiB" }
    return bytes >= 1 << 20 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
  }
}
