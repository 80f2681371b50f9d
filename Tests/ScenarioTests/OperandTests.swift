internal import PmemBase
internal import Scenario
internal import TestSupport
internal import Testing

/// Each operation of the language, with operands that nobody would write.
///
/// The operations and what they take come from the parser's own table, so that a new one is tried as soon as it is there.
@Suite struct `operands` {
  /// What a machine has before the operation: both kinds of mappings, a child, a poisoned page.
  private static let prelude = [
    "- setup sh lib.sh xfs", "- mkfile /mnt/f1 65536 0x11", "- reflink /mnt/f1 /mnt/f2",
    "- proc AB",
    "A handler on", "A map m0 /mnt/f1 0 65536 shared", "A rd m0 0",
    "A map m1 /dev/dax0.0 0 0x400000 shared",
    "A rd m1 0", "A map m2 /dev/dax1.0 0 65536 shared", "A wr m2 0x1000",
    "A map m3 /mnt/f2 0 65536 private", "A wr m3 0", "A fork C", "- save V A:m2+0x1000",
  ]

  /// Operands that fit, by the word that stands for them.
  private static let fitting: [String: [String]] = [
    "NAME": ["m0", "m1", "m2", "m3"], "PATH": ["/mnt/f1", "/mnt/f2", "/dev/dax0.0"],
    "OFFSET": ["0", "0x1000"], "LENGTH": ["4096", "65536"], "STEP": ["4096"], "MS": ["1"],
    "VALUE": ["1"], "SHIFT": ["4096"], "STATUS": ["0"], "ACTOR": ["D"], "ACTORS": ["E"],
    "ADVICE": [
      "hwpoison", "softoff", "dontneed", "popread", "popwrite", "hugepage", "remove", "dontfork",
    ],
    "TARGET": ["A:m0+0", "file:/mnt/f1+0", "bdev:pmem2+0", "dax:dax0.0+0", "var:V", "phys:0"],
    "VARIABLE": ["V"], "COMMAND": ["true"], "TEXT": ["x"], "BYTES": ["4096"], "DIRECTORY": ["/mnt"],
    "NAMESPACE": ["0.0", "2.0"], "SYSCTL": ["memory_failure_early_kill"], "DEVICE": ["/dev/pmem2"],
    "OPTIONS": ["dax=always"], "N": ["1"], "SECTOR": ["8"], "COUNT": ["8"],
    "PLACE": ["log", "journal", "inode-table", "inode-chunk", "extent-map"],
  ]

  private static let extreme = [
    "0", "-1", "1", "4095", "4097", "0xfff", "0x1fffff", "0x7fffffff", "0x80000000", "0xffffffff",
    "0xfffffffffff", "1099511627776", "1152921504606846976", "0x7ffffffffffff000",
    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615",
    "18446744073709551616", "0x", "-", "+", "x", "é", "\0", "m9", "/mnt", "/mnt/none", "/mnt/",
    "/dev/dax9.0", "/dev/pmem1", "A:m0", "A:m0+0x7fffffffffffffff", "file:/mnt/f1+-1", "var:none",
    "phys:0x140a00000", "phys:-1", "bdev:pmem2+-4096", "dax:dax0.0+0x7fffffffffffffff", "bdev:+",
    "99999999.0", "0.1", "su=1099511627775", "agcount=0", "bs=0", "log=1099511627775", "H",
    String(repeating: "a", count: 5000), String(repeating: "/a", count: 500),
  ]

  /// Lines with one operand out of place, left out, or one too many; every way to choose among the fitting ones is taken in
  /// turn.
  private static func lines(
    _ operation: (who: String, name: String, operands: String)
  ) -> [String] {
    let words = operation.operands.split(separator: " ").map {
      String($0.filter { $0 != "[" && $0 != "]" })
    }
    let start = "\(operation.who) \(operation.name)"
    var lines: [String] = [start, start + " "]
    var turn = 0
    func fit(_ word: String) -> String {
      turn += 1
      let known = fitting[word] ?? word.split(separator: "|").map(String.init)
      return known[turn % known.count]
    }
    for length in 0...words.count + 1 {
      lines.append(
        ([start] + (0..<length).map { fit($0 < words.count ? words[$0] : "VALUE") }).joined(
          separator: " "))
    }
    for place in words.indices {
      for one in extreme {
        let all = words.indices.map { $0 == place ? one : fit(words[$0]) }
        // With what follows, and without.
        lines.append(([start] + all).joined(separator: " "))
        lines.append(([start] + all[...place]).joined(separator: " "))
      }
    }
    return lines
  }

  /// Reads and runs the lines one by one, on a machine that is made anew when it has stopped.
  private static func run(_ lines: [String], _ kernel: KernelBehavior) throws -> [String] {
    var silent: [String] = []
    var machine: Simulator?
    for (number, line) in lines.enumerated() {
      do {
        _ = try Scenario(parsing: "# a fs\n\(line)\n".utf8, file: "operands")
      } catch {
        if error.line != 2 || !error.expected.contains("expected") {
          silent.append("\(line): \(error)")
        }
        continue
      }
      // Lines that follow each other see what the ones before have left, for a while.
      if machine?.hasStopped != false || number % 16 == 0 {
        var new = Simulator(kernel: kernel)
        for line in prelude { try new.perform(line: line) }
        machine = new
      }
      try machine?.perform(line: line)
    }
    return silent
  }

  /// Catches a trap, an endless loop, and an error that does not say where or what was expected. A failing line is run again
  /// by itself, and told.
  @Test(.timeLimit(.minutes(20)), arguments: KernelBehavior.allCases)
  func `of any kind are refused, or done`(kernel: KernelBehavior) throws {
    #expect(Scenario.operations.count > 60)
    let all = Scenario.operations.map { Self.lines($0) }
    // One child for all of them: to fork beside other tests' threads is slow.
    guard endsInTrap({ for lines in all { _ = try Self.run(lines, kernel) } }) else {
      for lines in all { #expect(try Self.run(lines, kernel) == []) }
      return
    }
    let operation = all.first { lines in endsInTrap { _ = try Self.run(lines, kernel) } } ?? []
    let bad = operation.first { line in endsInTrap { _ = try Self.run([line], kernel) } }
    Issue.record(
      "on \(kernel): \(bad ?? "\(operation.first ?? "lines of several operations")") traps")
  }
}
