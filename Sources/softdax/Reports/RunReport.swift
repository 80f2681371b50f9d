internal import DaxModel
internal import FaultEngine
internal import Latency
internal import Medium
internal import PageModel
internal import PmemBase
internal import Server

/// What a run did, for people.
struct RunReport {
  let server: Server
  let program: String
  let cpu: Int?

  init(_ server: Server, program: String, cpu: Int?) {
    self.server = server
    self.program = program
    self.cpu = cpu
  }

  /// The lines: for each device what was inserted, how fast, and whether it is idle.
  var lines: [String] {
    let placement = cpu.map { "on CPU \($0)" } ?? "unpinned"
    return server.devices.flatMap { device in
      let insert = device.latencies.insert.snapshot()
      let size = device.geometry.alignment.shortName
      var lines = [
        "softdax: \(program) on /dev/\(device.name) (\(device.medium.kind.rawValue)): "
          + "\(Self.count(device.insertedEver, "page")) of \(size) inserted, "
          + Self.count(device.faultsEver, "fault")
      ]
      if insert.count > 0 {
        let figures = [(50.0, "p50"), (90, "p90"), (99, "p99"), (100, "max")].map {
          "\($0.1) \(Self.microseconds(insert.percentile($0.0)))"
        }
        lines.append(
          "softdax: insert latency, \(placement), n \(insert.count): "
            + figures.joined(separator: ", "))
      }
      let count = device.pagemap.folioCount
      let busy = (0..<count).lazy.filter { !device.pagemap.isIdle(folio: $0) }
      lines.append(
        device.pagemap.isIdle()
          ? "softdax: all \(Self.count(UInt64(count), "page")) of /dev/\(device.name) idle"
          : "softdax: \(busy.count) of \(Self.count(UInt64(count), "page")) of /dev/\(device.name) NOT idle"
      )
      return lines
    }
  }

  private static func count(_ number: UInt64, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  func print() { for line in lines { printError(line) } }

  private static func microseconds(_ nanoseconds: UInt64) -> String {
    "\(nanoseconds / 1000).\(nanoseconds % 1000 / 100) µs"
  }
}
