internal import PmemBase
internal import Scenario
internal import TestSupport
internal import Testing

@Suite struct `the scenario language` {
  /// Catches messages that do not say where, or not what was expected.
  @Test(arguments: [
    ("", 1, "expected \"# NAME GROUP\" in the first line"),
    ("# one", 1, "expected \"# NAME GROUP\" in the first line"),
    (
      "# bad devdax\n- proc A\nA map m0 /dev/dax0.0 zero 4096 shared\n", 3,
      "expected an offset, a number (4096, 0x1000), not \"zero\""
    ),
    (
      "# bad devdax\n\nI rd m0 0", 3,
      "expected an actor A to H, or - for the coordinator, not \"I\""
    ),
    ("# bad devdax\nA rd m0", 2, "expected an offset"),
    ("# bad devdax\nA rd m0 0 1", 2, "expected the end of the line, not \"1\""),
    (
      "# bad devdax\n#= remount\nA early", 3,
      "expected `- sh`, `- setup` or `- setvar` after `#=`, which stands for it"
    ),
  ])
  func `an error names file, line and what was expected`(
    text: String, line: Int, expected: String
  ) throws {
    let error = #expect(throws: ScenarioError.self) {
      try Scenario(parsing: text.utf8, file: "bad.scn")
    }
    #expect(error?.description == "bad.scn:\(line): \(expected)")
  }

  /// Catches a crash, or an endless loop, on what no scenario says: the scenarios there are, with bytes changed,
  /// left out and doubled, are read, and run where they can be.
  @Test func `no bytes crash the parser or the simulator`() throws {
    var random = SeededGenerator(seed: 3)
    let texts = try Truth.texts()
    for round in 0..<3000 {
      var bytes = texts[round % texts.count]
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        guard !bytes.isEmpty else { break }
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(bytes[place], at: place)
        default: bytes[place] = UInt8.random(in: 48...57, using: &random)
        }
      }
      guard let scenario = try? Scenario(parsing: bytes, file: "fuzz") else { continue }
      let kernel = KernelBehavior.allCases[round % 3]
      #expect(Simulator.run(scenario, kernel: kernel, named: "x").json["name"] != nil)
    }
  }

  /// Catches lines exchanged or repeated, which byte changes seldom make: processes that do not exist, mappings twice.
  @Test func `no order of lines crashes the simulator`() throws {
    var random = SeededGenerator(seed: 4)
    let measured = try Truth.texts().flatMap {
      $0.split(separator: UInt8(ascii: "\n")).dropFirst().filter { $0.first != UInt8(ascii: "#") }
    }
    let lines = measured + Self.rare.map { ArraySlice($0.utf8) }
    for round in 0..<300 {
      var bytes = Array("# mixed devdax\n- setup sh lib.sh xfs\n- proc ABCD\n".utf8)
      for _ in 0..<60 {
        bytes += lines[Int.random(in: 0..<lines.count, using: &random)]
        bytes.append(UInt8(ascii: "\n"))
      }
      guard let scenario = try? Scenario(parsing: bytes, file: "mixed") else { continue }
      let kernel = KernelBehavior.allCases[round % 3]
      #expect(Simulator.run(scenario, kernel: kernel, named: "x").json["name"] != nil)
    }
  }

  /// What the measured scenarios seldom or never do.
  private static let rare = [
    "A unmap m0 0x2000 0x2000", "A mremap m0 0x200000", "B mremap m0 0x4000", "A fork H",
    "B thread G", "A exit", "A madv m0 0 65536 remove", "A madv m0 0 65536 dontfork",
    "A falloc /mnt/f1 punch 0x1800 0x5000", "A falloc /mnt/f2 unshare 0 65536",
    "B truncate /mnt/f1 0x3800", "C map m0 /mnt/f1 0x1000 0x8000 private", "A handler default",
    "- mkfile /mnt/f1 65536 1", "- reflink /mnt/f1 /mnt/f2", "- sh rm /mnt/f1", "- umount",
    "- disable-namespace 1.0", "- enable-namespace 1.0", "- unbind 0.0", "- unbind 2.0",
    "- enable-namespace 2.0", "- mkfs xfs /dev/pmem2 rmapbt=0", "- mount /dev/pmem2 dax=always",
    "- mount /dev/pmem2 dax=never", "- remount", "- mcear A:m0+0x3000", "- proc B",
    "- hwp bdev:pmem2+0", "- clone-range /mnt/f1 /mnt/f1 0 0x8000 0x2000",
    "- mce file:/mnt/f1+0x3000", "- sh cp /mnt/f1 /mnt/f2", "- setvar X place log",
  ]
}
