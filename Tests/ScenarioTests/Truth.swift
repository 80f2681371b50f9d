internal import FoundationEssentials
internal import PmemBase
internal import Scenario

/// The measured rows and their scenarios, in Tests/ScenarioData.
struct Truth {
  let scenario: Scenario
  let kernel: KernelBehavior
  let row: JSONValue

  var name: String { row["name"]?.string ?? "" }
  var group: String { row["group"]?.string ?? "" }

  /// Every row that can be judged by and whose scenario is there.
  static func all() throws -> [Truth] {
    var scenarios: [String: Scenario] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: folder + "/scenarios") {
      let scenario = try Scenario(
        parsing: Data(contentsOf: URL(filePath: folder + "/scenarios/" + file)), file: file)
      scenarios[scenario.name] = scenario
    }
    let data = try Data(contentsOf: URL(filePath: folder + "/truth.jsonl"))
    return data.split(separator: UInt8(ascii: "\n")).compactMap { line in
      guard let row = JSONValue(parsing: line), Judge.counts(row),
        let scenario = scenarios[row["name"]?.string ?? ""],
        let kernel = KernelBehavior.allCases.first(where: {
          Judge.version($0.shortName) == Judge.version(row["kernel"]?.string ?? "")
        })
      else { return nil }
      return Truth(scenario: scenario, kernel: kernel, row: row)
    }
  }

  /// The scenarios' files.
  static func texts() throws -> [[UInt8]] {
    try FileManager.default.contentsOfDirectory(atPath: folder + "/scenarios").sorted().map {
      Array(try Data(contentsOf: URL(filePath: folder + "/scenarios/" + $0)))
    }
  }

  private static let folder =
    String(#filePath.dropLast("ScenarioTests/Truth.swift".count))
    + "ScenarioData"
}
