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

  /// Catches a judge that lets everything pass: rows without any step agree with nothing that was measured.
  @Test func `a row that shows something else is told apart`() throws {
    for truth in try Truth.all() where truth.group == "devdax" {
      let row = JSONValue.object([JSONValue.Member("steps", .array([]))])
      #expect(!Judge.differences(truth: truth.row, row: row).isEmpty, "\(truth.name)")
    }
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
