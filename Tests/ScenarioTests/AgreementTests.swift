internal import PmemBase
internal import Scenario
internal import Testing

@Suite struct `the simulator against real kernels` {
  /// Scenarios that do not agree, and why. The list only shrinks.
  static let missing: [(name: String, reason: String)] = []

  /// Catches every change of a rule that no longer shows what Linux 6.1, 6.12 and 7.2 showed.
  @Test(arguments: KernelBehavior.allCases)
  func `every measured row agrees but for those that are listed`(kernel: KernelBehavior) throws {
    let rows = try Truth.all().filter { $0.kernel == kernel }
    #expect(rows.count > 100, "the measured rows were not found")
    for truth in rows where !Self.missing.contains(where: { truth.name == $0.name }) {
      let row = Simulator.run(truth.scenario, kernel: kernel, named: kernel.shortName)
      let differences = Judge.differences(truth: truth.row, row: row.json)
      #expect(differences.isEmpty, "\(truth.name) on \(kernel.shortName): \(differences)")
    }
  }

  /// Catches a shell line that the simulator does not carry out: with its `#=` lines taken out, a scenario shows the same.
  @Test(arguments: KernelBehavior.allCases)
  func `what #= says is what the shell line after it does`(kernel: KernelBehavior) throws {
    var compared = 0
    for text in try Truth.texts() {
      let lines = text.split(separator: UInt8(ascii: "\n"))
      let plain = lines.filter { !$0.starts(with: Array("#=".utf8)) }
      // What nfit_test's lines stand for was done before the scenario, or is a tool's output format.
      if plain.count == lines.count || text.starts(with: Array("# nfit_test".utf8)) { continue }
      let both = try [lines, plain].map { lines in
        let scenario = try Scenario(
          parsing: lines.joined(separator: [UInt8(ascii: "\n")]), file: "scenario")
        return Simulator.run(scenario, kernel: kernel, named: kernel.shortName).json
      }
      let differences = Judge.differences(truth: both[0], row: both[1])
      #expect(differences.isEmpty, "\(both[0]["name"]?.text ?? ""): \(differences)")
      compared += 1
    }
    #expect(compared > 15)
  }

  /// Catches a judge that lets everything pass, and one that does not look at a field or at signals.
  @Test func `a row that shows something else is told apart`() throws {
    let changes = [
      ("\"ok\": true", "\"ok\": false"),
      ("\"code\": \"BUS_MCEERR_AR\"", "\"code\": \"BUS_ADRERR\""),
      ("\"addr_lsb\": 21", "\"addr_lsb\": 12"), ("\"err\": \"E", "\"err\": \"X"),
      ("\"value\": 9", "\"value\": 8"), ("\"sig\": \"SIGBUS\"", "\"sig\": \"SIGSEGV\""),
    ]
    var told = [Int](repeating: 0, count: changes.count)
    for truth in try Truth.all() where truth.kernel == .v7_2 {
      let row = JSONValue.object([JSONValue.Member("steps", .array([]))])
      let isCompared = truth.group == "devdax"
      #expect(
        !isCompared || !Judge.differences(truth: truth.row, row: row).isEmpty, "\(truth.name)")
      for (number, (old, new)) in changes.enumerated() {
        let text = truth.row.text.replacing(old, with: new)
        let other = try #require(JSONValue(parsing: text.utf8))
        if !Judge.differences(truth: truth.row, row: other).isEmpty { told[number] += 1 }
      }
    }
    for (count, change) in zip(told, changes) { #expect(count >= 3, "\(change)") }
  }

  /// Catches anything that depends on hash seeds, addresses or time.
  @Test func `a scenario gives the same row every time`() throws {
    for truth in try Truth.all() where truth.kernel == .v7_2 {
      let rows = (0..<3).map { _ in
        Simulator.run(truth.scenario, kernel: .v7_2, named: "7.2").json.text
      }
      #expect(Set(rows).count == 1, "\(truth.name)")
    }
  }
}
