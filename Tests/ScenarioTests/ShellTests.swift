internal import PmemBase
internal import Scenario
internal import Testing

@Suite struct `shell lines` {
  private func steps(_ lines: [String]) throws -> [JSONValue] {
    let text = "# shell fs\n- setup sh lib.sh xfs\n" + lines.joined(separator: "\n")
    let scenario = try Scenario(parsing: text.utf8, file: "shell")
    return Simulator.run(scenario, kernel: .v7_2, named: "7.2").json["steps"]?.array ?? []
  }

  /// What the file's extents are after the line.
  private func extents(_ line: String, of path: String = "/mnt/f1") throws -> String? {
    try steps(["- mkfile /mnt/f1 65536 1", "- sh \(line)", "- fiemap \(path)"]).last?[
      "extents_in_4k"]?
      .string
  }

  /// Catches options that are not told from arguments, sizes with suffixes, and commands after the first.
  @Test(arguments: [
    ("xfs_io -c \"fpunch 4k 8k\" -c fsync /mnt/f1", "0+1@24 3+13@27"),
    ("fallocate -p -o 4096 -l 8k /mnt/f1", "0+1@24 3+13@27"),
    ("truncate -s 8k /mnt/f1", "0+2@24"),
    ("for i in 1 2; do xfs_io -c \"fpunch $((i * 4096)) 4096\" /mnt/f1; done", "0+1@24 3+13@27"),
    ("seq 1 2 | while read i; do echo \"fpunch ${i}k 4k\"; done > /tmp/c; true", "0+16@24"),
    ("f=/mnt/f1; test -e $f || rm $f; (truncate -s 4096 \"$f\") && true", "0+1@24"),
    ("false && rm /mnt/f1; true || rm /mnt/f1", "0+16@24"),
  ])
  func `change what they say`(line: String, expected: String) throws {
    #expect(try extents(line) == expected)
  }

  /// Catches a clone that copies, or a copy that clones.
  @Test func `cp clones only when it is told to`() throws {
    #expect(try extents("cp --reflink=always /mnt/f1 /mnt/f2")?.hasSuffix(":shared") == true)
    #expect(try extents("cp /mnt/f1 /mnt/f2")?.hasSuffix(":shared") == false)
  }

  /// Catches a command that is not known and brings the scenario down.
  @Test func `an unknown command succeeds and prints nothing`() throws {
    let step = try steps(["- sh frobnicate --hard /mnt/f1 | sort -u"]).last
    #expect(step?["rc"] == .int(0))
    #expect(step?["output"] == .string(""))
  }

  /// Catches a sysctl that is set for one way of writing it only.
  @Test(arguments: [
    "sysctl -w vm.memory_failure_early_kill=1", "echo 1 > /proc/sys/vm/memory_failure_early_kill",
  ])
  func `sysctls are set either way`(line: String) throws {
    let state = try steps([
      "- proc A", "A map m0 /dev/dax0.0 0 0x200000 shared", "A rd m0 0", "- sh \(line)",
      "- hwp A:m0+0", "- sync",
    ]).last?["actors"]?["A"]?["state"]
    #expect(state == .string("killed by signal 7 (SIGBUS)"))
  }

  /// Catches a disable under a mount that does more than be refused.
  @Test func `a mounted namespace cannot be disabled, but its driver can be unbound`() throws {
    let disabled = try steps(["- sh ndctl disable-namespace namespace2.0", "- fsprobe /mnt"])
    #expect(disabled[0]["rc"] == .int(1))
    #expect(disabled[1]["shutdown"] == .bool(false))
    let unbound = try steps([
      "- sh d=$(readlink -f /sys/block/pmem2/device); echo $(basename $d) > $d/driver/unbind",
      "- fsprobe /mnt",
    ])
    #expect(unbound[1]["shutdown"] == .bool(true))
  }
}
