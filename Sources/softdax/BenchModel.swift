internal import ArgumentParser
internal import Scenario

struct BenchModel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Measure how the cost of a failed page grows with those who map it.",
    discussion: """
      N processes have N mappings each of files that share one block, N of them. The page fails in the model: who is \
      collected, told and unmapped. If the cost is that of the mappings, the last column stays as it is.

      Example: softdax bench model --sizes 10,100,1000
      """)

  @Option(help: ArgumentHelp("Values of N, parted by commas.", valueName: "n,…"))
  var sizes = "10,100,1000"

  func validate() throws {
    guard numbers.count == sizes.split(separator: ",").count, !numbers.isEmpty,
      numbers.allSatisfy({ (1...2000).contains($0) })
    else { throw ValidationError("--sizes takes numbers from 1 to 2000, parted by commas.") }
  }

  func run() throws {
    print("     N    mappings     signals   milliseconds   ns per mapping")
    for size in numbers {
      guard var growth = FailureGrowth(processes: size, mappings: size, owners: size) else {
        throw ValidationError("The machine for N = \(size) could not be set up.")
      }
      var signals = 0
      let time = ContinuousClock().measure { signals = growth.fail() }
      let nanoseconds =
        time.components.attoseconds / 1_000_000_000 + time.components.seconds * 1_000_000_000
      let cells: [(String, Int)] = [
        (String(size), 6), (String(growth.mappings), 12), (String(signals), 12),
        (String(nanoseconds / 1_000_000), 15),
        (String(nanoseconds / Int64(growth.mappings)), 17),
      ]
      print(
        cells.map { text, width in
          String(repeating: " ", count: max(0, width - text.count)) + text
        }.joined())
    }
  }

  private var numbers: [Int] { sizes.split(separator: ",").compactMap { Int($0) } }
}
