internal import ArgumentParser
internal import FoundationEssentials
internal import Latency
internal import Wire

struct LatencyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "latency",
    abstract: "Report how long it took to insert pages into mappings.",
    discussion: """
      insert is the server's part: fault read to page installed. Its parts are lookup (until the reference is taken) and install \
      (the system call). The whole, as a program sees it, is touch: softdax bench insert measures that. They are never added up \
      or mixed. Of a mounted filesystem's device (pmem0) they are those of its files' mappings.

      Example: softdax latency dax0.0 --hgrm insert.hgrm
      """)

  @OptionGroup var server: ServerOption

  @Argument(
    help: ArgumentHelp(
      "The device, such as dax0.0, or pmem0 of a mounted filesystem; all of them when absent.",
      valueName: "device"))
  var device: String?

  @Option(
    help: ArgumentHelp(
      "Only this figure, with its histogram.", valueName: "insert|lookup|install"),
    transform: Self.kind)
  var kind: LatencyKind?

  @Flag(help: "JSON.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Write the percentile distribution there, for HdrHistogram's plotters; in µs.",
      valueName: "file"))
  var hgrm: String?

  func run() throws {
    let running = try server.connect()
    let devices =
      try device.map { [try running.device(named: $0)] }
      ?? running.ask { client throws(WireError) in try client.devices() }
    guard hgrm == nil || devices.count == 1 else {
      throw CommandFailure(
        "--hgrm takes one device; name one of \(devices.map(\.name).joined(separator: ", "))")
    }
    let host = HostFacts.current()
    let placement = ThreadPlacement(process: running.info.pid, online: host.online)
    let reports = try devices.map { device in
      let kinds = kind.map { [$0] } ?? LatencyKind.allCases
      let figures = try kinds.map { kind in
        let snapshot = try running.ask { client throws(WireError) in
          try client.latency(device: device.index, kind: kind)
        }
        return (kind: kind, snapshot: snapshot)
      }
      return LatencyReport(device: device, host: host, server: placement, figures: figures)
    }
    if let hgrm, let shown = reports.first?.shown {
      do {
        try Data(shown.snapshot.percentileDistribution().utf8).write(
          to: URL(filePath: hgrm))
      } catch {
        throw CommandFailure("\(hgrm): cannot be written; give a path in a directory of yours")
      }
    }
    if json {
      print(try jsonText(reports))
    } else {
      print(reports.map(\.text).joined(separator: "\n"), terminator: "")
    }
  }

  private static func kind(_ text: String) throws -> LatencyKind {
    guard let kind = LatencyKind(rawValue: text) else {
      let kinds = LatencyKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("there is no figure \(text): use one of \(kinds)")
    }
    return kind
  }
}
