internal import PmemBase
internal import Scenario
internal import Testing

/// What is looked at (processes, threads, windows), when many processes have a page in many mappings of many files.
@Suite struct `a page of many owners` {
  private struct Cost {
    /// For mapping and faulting.
    let setUp: Int
    let failure: Int
    let end: Int
    let signals: Int
  }

  /// `processes` times `mappings` mappings of `owners` files that share one page; every second process wants to know early.
  private func cost(
    processes: Int, mappings: Int, owners: Int, kernel: KernelBehavior = .v6_1
  ) throws -> Cost {
    var machine = Simulator(kernel: kernel)
    try machine.perform(line: "- setup sh lib.sh xfs")
    try machine.perform(line: "- mkfile /mnt/f0 4096 0x11")
    for file in 1..<max(1, owners) { try machine.perform(line: "- reflink /mnt/f0 /mnt/f\(file)") }
    let start = machine.work
    for process in 0..<processes {
      try machine.perform(line: "- proc A")
      try machine.perform(line: "A handler on")
      if process % 2 == 0 { try machine.perform(line: "A early") }
      for mapping in 0..<mappings {
        try machine.perform(line: "A map m0 /mnt/f\(mapping % owners) 0 4096 populate ro")
      }
    }
    let mapped = machine.work
    let before = machine.sentSignals
    try machine.perform(line: "- hwp file:/mnt/f0+0")
    let failed = machine.work
    try machine.perform(line: "A exit")
    return Cost(
      setUp: mapped - start, failure: failed - mapped, end: machine.work - failed,
      signals: machine.sentSignals - before)
  }

  /// Catches mappings that are left out, or told twice, when many files share the block.
  @Test func `tells each mapping of those who want to know, once`() throws {
    // Ten of the processes want it early; each has the page in twelve mappings.
    #expect(try cost(processes: 20, mappings: 12, owners: 5).signals == 120)
  }

  /// Catches work that grows with the square: sixteen times the mappings may cost sixteen times as much, and the logarithms of a
  /// few searches; a scan in the wrong place costs sixteen times that.
  @Test(arguments: [
    ((8, 8, 8), (32, 32, 32)), ((8, 32, 1), (32, 128, 1)), ((64, 4, 4), (256, 16, 4)),
  ])
  func `costs what its mappings are`(
    small: (Int, Int, Int), large: (Int, Int, Int)
  ) throws {
    let one = try cost(processes: small.0, mappings: small.1, owners: small.2)
    let other = try cost(processes: large.0, mappings: large.1, owners: large.2)
    let times = large.0 * large.1 / (small.0 * small.1)
    #expect(one.failure >= small.0 * small.1)
    #expect(other.failure <= one.failure * times * 3 / 2)
    #expect(one.setUp > 0)
    #expect(other.setUp <= one.setUp * times * 4)
    // One of the processes ends; the windows of its files are passed once for each of them.
    #expect(other.end <= one.end * times * 3 / 2)
  }
}
