internal import ArgumentParser
internal import PmemBase
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
      var machine = try Self.machine(size)
      let before = machine.sentSignals
      let time = try ContinuousClock().measure {
        _ = try machine.perform(line: "- hwp file:/mnt/f0+0")
      }
      let (mappings, signals) = (size * size, machine.sentSignals - before)
      let nanoseconds =
        time.components.attoseconds / 1_000_000_000 + time.components.seconds * 1_000_000_000
      let cells: [(String, Int)] = [
        (String(size), 6), (String(mappings), 12), (String(signals), 12),
        (String(nanoseconds / 1_000_000), 15),
        (String(nanoseconds / Int64(mappings)), 17),
      ]
      print(
        cells.map { text, width in
          String(repeating: " ", count: max(0, width - text.count)) + text
        }.joined())
    }
  }

  /// `size` processes that have a page in their page tables in `size` mappings each, of `size` files that share it. Every second
  /// process wants to know early. On 6.1: in later kernels the readers of a shared page take it from each other.
  private static func machine(_ size: Int) throws -> Simulator {
    var machine = Simulator(kernel: .v6_1)
    try machine.perform(line: "- setup sh lib.sh xfs")
    try machine.perform(line: "- mkfile /mnt/f0 4096 0x11")
    for file in 1..<max(1, size) {
      try machine.perform(line: "- reflink /mnt/f0 /mnt/f\(file)")
    }
    for process in 0..<size {
      try machine.perform(line: "- proc A")
      try machine.perform(line: "A handler on")
      if process % 2 == 0 { try machine.perform(line: "A early") }
      for file in 0..<size {
        try machine.perform(line: "A map m0 /mnt/f\(file) 0 4096 populate ro")
      }
    }
    return machine
  }

  private var numbers: [Int] { sizes.split(separator: ",").compactMap { Int($0) } }
}
