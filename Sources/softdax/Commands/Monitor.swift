internal import ArgumentParser
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage
internal import Wire

/// `softdax monitor`: what happens to pages and to those who have them, as it happens.
struct Monitor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what happens: faults, insertions, errors, signals, what becomes of them.",
    discussion: """
      One JSON object a line: `type`, `time` (seconds, CLOCK_MONOTONIC), `sequence`, and what belongs to the type: `device` (dax0.0; pmem0 is that of a mounted \
      filesystem), `pfn`, `offset`, `length`, `pid`, `tid`, `comm`, `address`, `code`, `lsb`, `verdict`. Types: fault, insert, zap, inject, failure, verdict, signal, \
      handled (a handler of the program was called), fatal (it died of a signal), clear, bad-blocks, enable, disable, refused, panic, end; \
      lost (events that came faster than they were read) and watching (the first line: from here on nothing is missed). Ends with the server.

      Example: softdax monitor --type inject,signal,handled,fatal,clear
      """)

  @OptionGroup var server: ServerOption

  @Flag(name: [.customShort("u"), .long], help: "Lines for people.")
  var human = false

  @Option(
    help: ArgumentHelp("Only these types, parted by commas.", valueName: "types"))
  var type: String?

  @Option(help: ArgumentHelp("End after so many events.", valueName: "n"))
  var count: Int?

  private var kinds: Set<Happening.Kind> {
    get throws {
      guard let type else { return Set(Happening.Kind.allCases) }
      return try Set(
        type.split(separator: ",", omittingEmptySubsequences: false).map { word in
          guard let kind = Happening.Kind(rawValue: String(word)) else {
            let known = Happening.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--type \(word): use some of \(known)")
          }
          return kind
        })
    }
  }

  func validate() throws {
    _ = try kinds
    if let count, count < 1 { throw ValidationError("--count is 1 or more events") }
  }

  func run() throws {
    let kinds = try kinds
    let running = try server.connect()
    let names = try running.ask { client throws(WireError) in try client.devices() }.map(\.name)
    var left = count ?? .max
    var isFirst = true
    do throws(WireError) {
      let client = try ServerClient(socket: running.socket, patience: 0)
      let pages = !kinds.isDisjoint(with: [.fault, .insert, .zap])
      try client.watch(pages: pages) { events, lost in
        var lines = ""
        if isFirst { lines += human ? "watching\n" : "{\"type\":\"watching\"}\n" }
        isFirst = false
        if lost > 0 {
          lines += human ? "\(lost) events lost\n" : "{\"type\":\"lost\",\"count\":\(lost)}\n"
        }
        for event in events where left > 0 && kinds.contains(event.kind) {
          let line = EventLine(event, devices: names)
          lines += (human ? line.human : line.json) + "\n"
          left -= 1
        }
        // Whoever reads may have gone.
        guard (try? FileDescriptor.standardOutput.writeAll(lines.utf8)) != nil else { return false }
        return left > 0
      }
    } catch {
      // A server that stops ends what it has begun.
      guard case .disconnected = error, !isFirst else {
        throw CommandFailure(error, at: running.socket)
      }
    }
  }
}

/// An event as text.
struct EventLine {
  private enum Value {
    case text(String)
    case number(String)
  }
  private let fields: [(name: String, value: Value)]
  let human: String

  init(_ event: Happening, devices: [String]) {
    var fields: [(name: String, value: Value)] = []
    func add(_ name: String, _ text: String) { fields.append((name, .text(text))) }
    func add(_ name: String, _ number: some BinaryInteger) {
      fields.append((name, .number("\(number)")))
    }
    add("type", event.kind.rawValue)
    let time = "\(event.time / 1_000_000_000)." + Self.nine(event.time % 1_000_000_000)
    fields.append(("time", .number(time)))
    add("sequence", event.sequence)
    if let index = event.device, devices.indices.contains(index) { add("device", devices[index]) }
    if let bytes = event.bytes {
      add("pfn", bytes.lowerBound >> 12)
      add("offset", bytes.lowerBound)
      add("length", bytes.count)
    }
    if event.process != 0 {
      add("pid", event.process)
      if event.thread != 0 { add("tid", event.thread) }
      add("comm", event.command)
    }
    if event.address != 0 { add("address", hexadecimal(event.address)) }
    switch event.kind {
    case .signal, .handled:
      add(
        "code",
        event.code == 4 ? "BUS_MCEERR_AR" : event.code == 5 ? "BUS_MCEERR_AO" : "\(event.code)")
      add("lsb", event.shift)
    case .fatal: add("signal", event.code)
    case .verdict: add("verdict", Verdict.Kind(wire: UInt32(event.code))?.rawValue ?? "unknown")
    case .inject:
      let kind = InjectionRule.Kind.allCases.first { $0.wire == UInt32(event.code) }
      add("as", kind?.rawValue ?? "unknown")
    case .failure:
      let outcome = Prediction.Outcome.allCases.first { $0.wire == UInt32(event.code) }
      add("outcome", outcome?.rawValue ?? "unknown")
    default: break
    }
    if event.error != 0 { add("error", "\(Errno(rawValue: event.error))") }
    self.fields = fields
    human =
      "\(time.dropLast(3)) \(event.kind.rawValue)"
      + fields.dropFirst(3).map { field in
        switch field.value {
        case .text(let text): " \(field.name) \(text)"
        case .number(let text): " \(field.name) \(text)"
        }
      }.joined()
  }

  var json: String {
    "{"
      + fields.map { name, value in
        switch value {
        case .number(let text): "\"\(name)\":\(text)"
        case .text(let text): "\"\(name)\":\(Self.quoted(text))"
        }
      }.joined(separator: ",") + "}"
  }

  /// A JSON string.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private static func nine(_ number: UInt64) -> String {
    let digits = "\(number)"
    return String(repeating: "0", count: 9 - digits.count) + digits
  }
}
