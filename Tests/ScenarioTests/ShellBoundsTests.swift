internal import PmemBase
internal import Scenario
internal import TestSupport
internal import Testing

@Suite struct `a shell program that would never end` {
  private static func run(_ programs: [String]) throws -> [(status: Int, output: String)] {
    var machine = Simulator(kernel: .v7_2)
    return try ["lib.sh xfs"].map { "- sh sh \($0)" }.appending(programs.map { "- sh \($0)" }).map {
      let step = try machine.perform(line: $0)
      return (step?["rc"]?.int ?? -1, step?["output"]?.string ?? "")
    }.dropFirst().map { $0 }
  }

  /// Catches loops, values, outputs, recursions and files without a bound: the program is stopped, and says why.
  @Test(
    .timeLimit(.minutes(20)),
    arguments: [
      ("while :; do :; done", "commands in a line"),
      ("until false; do x=1; done", "commands in a line"),
      ("while true; do echo x; done", "commands in a line"),
      ("x=a; while :; do x=$x$x; done", "1 MiB"),
      ("x=aaaaaaaaaaaaaaaa; for i in $(seq 30); do x=$x$x$x; done; echo done", "1 MiB"),
      ("f() { f; }; f", "nested"),
      ("f() { f | f; }; f", "nested"),
      ("f() { $(f); }; f", "nested"),
      ("eval 'x=\"eval \\$x\"; $x'; f() { eval f; }; f", "nested"),
      ("seq 1 100000000", "1 MiB"),
      ("seq 100000 | while read i; do echo $i; done", "commands in a line"),
      ("for i in $(seq 100000); do :; done", "commands in a line"),
      ("printf '%4096s' $(seq 5000)", "1 MiB"),
      ("while :; do head -c 1048576 /dev/zero > /mnt/a; cat /mnt/a /mnt/a > /tmp/b; done", "MiB"),
      (
        "head -c 1000000 /dev/zero | tr '\\0' a > /tmp/a; for i in $(seq 100); do cat /tmp/a; done",
        "MiB"
      ),
      (
        "echo a | sed 's/a/&&&&&&&&/g;s/a/&&&&&&&&/g;s/a/&&&&&&&&/g;s/a/&&&&&&&&/g;s/a/&&&&&&&&/g;s/a/&&&&&&&&/g;s/a/&&&&&&&&/g'",
        "MiB"
      ),
      ("seq 9000 | awk '{ x = x x \"aaaa\" } END { print x }'", "1 MiB"),
      ("sh -c 'while :; do :; done'", "commands in a line"),
      ("echo 'sh /tmp/s' > /tmp/s; sh /tmp/s", "nested"),
    ])
  func `is stopped with a reason`(program: String, reason: String) throws {
    let result = try Self.run([program])[0]
    #expect(result.status == 2, "\(result.output.suffix(200))")
    #expect(result.output.contains(reason), "\(result.output.suffix(200))")
    #expect(result.output.utf8.count < 3 << 20)
  }

  /// Catches patterns that are tried in every way there is: a hundred thousand characters against stars upon stars.
  @Test(
    .timeLimit(.minutes(20)),
    arguments: [
      ("echo $x | grep -E '(a*)*(a*)*b'", 1, ""),
      ("case $x in *a*a*a*b) echo b;; *) echo a;; esac", 0, "a"),
      ("y=${x##*a*a*b}; echo ${#y}", 0, "100000"),
      ("echo $x | sed 's/\\(a*\\)*b/c/' | wc -c", 0, "100001"),
    ])
  func `comes to its end where a pattern has many ways to match`(
    program: String, status: Int, output: String
  ) throws {
    let result = try Self.run(["x=$(head -c 100000 /dev/zero | tr '\\0' 'a'); " + program])[0]
    // What would take too long is stopped, which is an end as well.
    #expect(result == (status, output) || result.status == 2 && result.output.contains("MiB"))
  }

  /// Catches nesting that costs a frame of the stack for each level: what is deeper than any program is refused when it is
  /// read, or peeled off without recursion.
  @Test(arguments: [
    String(repeating: "(", count: 5000) + "true" + String(repeating: ")", count: 5000),
    String(repeating: "$(", count: 5000), String(repeating: "{ ", count: 5000) + "true",
    String(repeating: "if true; then ", count: 5000), String(repeating: "! ", count: 5000) + "true",
    "echo $((" + String(repeating: "(", count: 5000) + "1" + String(repeating: ")", count: 5000)
      + "))",
    "echo $((" + String(repeating: "-", count: 5000) + "1))",
    "echo $((" + String(repeating: "1?", count: 5000) + "1))",
    String(repeating: "`", count: 4999), "echo " + String(repeating: "${x:-", count: 5000),
    "test " + String(repeating: "( ", count: 5000),
    "test " + String(repeating: "\\( ", count: 5000) + "x",
    "echo a | grep '" + String(repeating: "\\(", count: 5000) + "'",
    "echo a | grep -E '" + String(repeating: "a+?", count: 5000) + "'",
    "echo a | grep -E '(((a{99}){99}){99}){99}'",
    "echo a | awk '" + String(repeating: "(", count: 5000) + "'",
    "echo a | awk '{" + String(repeating: "if(1)", count: 5000) + "}'",
    "echo a | sed '" + String(repeating: "p;", count: 5000) + "'",
    String(repeating: "f() ", count: 5000),
    "case " + String(repeating: "a in a) case ", count: 5000),
  ])
  func `is refused if it is nested without end`(program: String) throws {
    let result = try Self.run([program])[0]
    #expect(result.status != 0, "\(result.output.prefix(200))")
    #expect(!result.output.isEmpty)
  }

  /// Catches wrappers that are run one inside the other.
  @Test func `passes any number of commands that run a command`() throws {
    let result = try Self.run([String(repeating: "timeout 1 ", count: 5000) + "echo done"])[0]
    #expect(result == (0, "done"))
  }

  private static let tokens = [
    "if", "then", "else", "elif", "fi", "for", "in", "do", "done", "while", "until", "case", "esac",
    "{", "}", "(", ")", ";", ";;", "&&", "||", "|", "&", "!", "\"", "'", "`", "$(", "$((", "))",
    "${", "}",
    "$x", "${x:-a}", "${x%%*}", "x=1", "x=$x$x", "echo", "a", "*", "[", "]", "test", "-e",
    "/mnt/f1", "-eq",
    "1", "=", "<", ">", ">>", "2>&1", "/tmp/a", "cat", "grep", "sed", "s/a/b/", "awk", "{print $1}",
    "seq",
    "9", "read", "x", "break", "continue", "exit", "eval", "sh", "-c", "true", "false", "f()", "f",
    "\\",
    "#", "printf", "%s", "%d", "xargs", "head", "-n", "-1", "tr", "a-z", "cut", "-d,", "-f1", "dd",
    "if=/mnt/f1", "of=/mnt/f2", "bs=1T", "count=9", "truncate", "-s", "1E", "fallocate", "-l",
    "xfs_io",
    "pwrite 0 1t", "fsmap", "xfs_db", "sb 0", "p", "/dev/pmem2", "debugfs", "-R", "blocks <8>",
    "umount",
    "mount", "rm", "mv", "cp", "ls", "stat", "set", "-e", "--", "shift", "unset", "expr", "é",
    "\u{301}",
    "mkfs.xfs", "agcount=9", "ndctl", "disable-namespace", "namespace2.0",
  ]

  /// Catches a trap or an endless loop in what nobody has thought of: programs of words thrown together.
  @Test(.timeLimit(.minutes(20))) func `ends whatever its words are`() throws {
    var random = SeededGenerator(seed: 11)
    let rounds = (0..<400).map { round in
      (0..<10).map { _ in
        (0..<Int.random(in: 1...14, using: &random)).map { _ in
          Self.tokens.randomElement(using: &random) ?? ""
        }.joined(separator: Bool.random(using: &random) ? " " : round % 7 == 0 ? "" : " ")
      }
    }
    guard endsInTrap({ for programs in rounds { _ = try Self.run(programs) } }) else { return }
    let bad = rounds.joined().first { program in endsInTrap { _ = try Self.run([program]) } }
    Issue.record("\(bad ?? "several programs together") trap")
  }
}

extension Array {
  fileprivate func appending(_ others: [Element]) -> [Element] { self + others }
}
