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

  /// Catches a command that is not known and brings the scenario down, or passes for one that succeeded.
  @Test func `an unknown command is not found, as a shell says it`() throws {
    let step = try steps(["- sh frobnicate --hard /mnt/f1"]).last
    #expect(step?["rc"] == .int(127))
    #expect(step?["output"] == .string("sh: 1: frobnicate: not found"))
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

/// What a filesystem's own tools say, as scripts ask for it.
@Suite struct `places of metadata` {
  private func output(_ lines: [String], filesystem: String = "xfs") throws -> String? {
    let text = "# shell fs\n- setup sh lib.sh \(filesystem)\n" + lines.joined(separator: "\n")
    let scenario = try Scenario(parsing: text.utf8, file: "shell")
    return Simulator.run(scenario, kernel: .v7_2, named: "7.2").json["steps"]?.array?.last?[
      "output"]?
      .string
  }

  /// Catches a query that is known only in the words of one scenario: the same place, asked for in several ways.
  @Test(arguments: [
    "xfs_db -r -c \"convert fsblock $(xfs_db -r -c 'sb 0' -c 'p logstart' /dev/pmem2 | awk '{print $3}') byte\" "
      + "/dev/pmem2 | sed 's/.*(\\([0-9]*\\)).*/\\1/'",
    "n=$(xfs_db -c sb -c 'print logstart' /dev/pmem2 | cut -d' ' -f3); "
      + "d=$(xfs_db -c \"convert fsblock $n daddr\" /dev/pmem2 | tr -d '()' | cut -d' ' -f2); echo $((d * 512))",
    "xfs_db -c sb -c 'addr logstart' -c addr /dev/pmem2 | sed -n 's/.*byte offset \\([0-9]*\\),.*/\\1/p'",
    "xfs_io -c fsmap /mnt | grep 'journalling log' | sed 's/.*\\[\\([0-9]*\\)\\..*/\\1/' | awk '{print $1*512}'",
  ])
  func `of the log are found however it is asked for`(line: String) throws {
    let asked = try output(["- sh \(line)"])
    let known = try output(["- place log"])
    #expect(known?.isEmpty == false)
    #expect(asked == known)
  }

  /// Catches roots of a group's trees that are not where its blocks say.
  @Test(arguments: [("agf 1", "bnoroot"), ("agf 1", "rmaproot"), ("agi 1", "root")])
  func `of a group's trees belong to the filesystem`(header: String, field: String) throws {
    let block =
      "xfs_db -c '\(header)' -c 'addr \(field)' -c addr /dev/pmem2 | "
      + "sed -n 's/.*byte offset \\([0-9]*\\),.*/\\1/p'"
    let answer = try output([
      "- setvar B \(block)", "- hwp bdev:pmem2+${B}", "- fsprobe /mnt", "- sh echo ${B}",
    ])
    let bytes = try #require(answer.flatMap { Int($0) })
    #expect(bytes > 4096 && bytes % 4096 == 0)
    let steps = try Simulator.run(
      Scenario(
        parsing: "# a fs\n- setup sh lib.sh xfs\n- hwp bdev:pmem2+\(bytes)\n- fsprobe /mnt\n".utf8,
        file: "a"),
      kernel: .v7_2, named: "7.2"
    ).json["steps"]?.array
    #expect(steps?.last?["shutdown"] == .bool(true))
  }

  /// Catches ext4's tools that are known in one form only.
  @Test(arguments: [
    (
      "n=$(debugfs -R 'blocks <8>' /dev/pmem3 2>/dev/null | awk '{print $1}'); echo $((n * 4096))",
      "journal"
    ),
    (
      "debugfs -R 'bmap <8> 0' /dev/pmem3 2>/dev/null | while read n; do echo $((n * 4096)); done",
      "journal"
    ),
    (
      "dumpe2fs /dev/pmem3 2>&1 | awk '/Inode table at/ { split = $4; sub(/-.*/, \"\", split); print split * 4096; exit }'",
      "inode-table"
    ),
    (
      "n=$(debugfs -R 'imap <2>' /dev/pmem3 2>/dev/null | sed -n 's/.*block \\([0-9]*\\),.*/\\1/p'); expr $n \\* 4096",
      "inode-table"
    ),
  ])
  func `of ext4 are found`(line: String, place: String) throws {
    let asked = try output(["- sh \(line)"], filesystem: "ext4")
    let known = try output(["- place \(place)"], filesystem: "ext4")
    #expect(known?.isEmpty == false)
    #expect(asked == known)
  }
}
