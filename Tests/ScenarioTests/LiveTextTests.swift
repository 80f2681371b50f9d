internal import ExtentFS
internal import PmemBase
internal import Scenario
internal import Testing

@Suite struct `a scenario for real processes` {
  private static func live(_ lines: String) throws -> String {
    try Scenario(parsing: "# a devdax\n\(lines)\n".utf8, file: "a.scn").live(on: .v7_2).text
  }

  /// Catches a setting that a shell line would make on the host.
  @Test(arguments: [
    "- sh echo 1 > /proc/sys/vm/memory_failure_early_kill",
    "- setup sysctl -q -w vm.memory_failure_early_kill=1",
    "#= sysctl memory_failure_early_kill 1\n- sh whatever",
  ])
  func `has settings in the language's own words`(lines: String) throws {
    let step = lines.split(separator: "\n").last ?? ""
    #expect(
      try Self.live(lines) == "# a devdax\n#= sysctl memory_failure_early_kill 1\n\(step)\n")
  }

  /// Catches lines that get lost or changed on the way to the worker.
  @Test func `has every other step as it stands`() throws {
    let lines = """
      - proc AB
      A map m0 /dev/dax0.0 0 0x200000 shared
      - save P A:m0+0
      - hwp var:P
      - mce dax:dax1.0+0x1000
      B fork C
      - sh stat -c %s /dev/dax0.0 2>/dev/null | tr -d x; cat /sys/bus/dax/devices/dax0.0/size
      - sync
      - badblocks
      """
    #expect(try Self.live(lines) == "# a devdax\n\(lines)\n")
  }

  /// Catches a step that would harm the host, or show something else than it says.
  @Test(arguments: [
    "A map m0 /mnt/f1 0 4096 shared", "A pwrite /etc/passwd 0 4096", "A truncate /dev/sda 0",
    "A map m0 /dev/dax2.0 0 4096 shared", "- hwp phys:0x1000", "- hwp bdev:pmem2+0",
    "- mcear A:m0+0", "- latent A:m0+0", "- mkfile /mnt/f1 4096 1", "- sh rm -rf /mnt",
    "- sh echo 1 > /proc/sys/vm/drop_caches", "- sh echo $(reboot)",
    "- sh for i in 1; do halt; done",
    "- sh while true; do :; done", "- setvar S ${HOME}/bin/x", "- sh sysctl -w kernel.panic=1",
    "#= mkfs xfs pmem2\n- sh true", "- sysctl overcommit_memory 1", "- unbind 0.0",
    "- sh (true; halt) > /dev/null", "- sh echo `halt`",
    "- sh cat < $(halt)",
    "- sh for i in $(halt); do echo $i; done", "- sh true && `halt`",
  ])
  func `is refused for a step that a host cannot do`(lines: String) {
    #expect(throws: LiveObstacle.self) { try Self.live("- proc A\n" + lines) }
  }

  /// Catches a filesystem that is another one than the setup's, or that the worker would make once more; a place in it that is not told.
  @Test func `begins with what its setup mounts`() throws {
    let lines = """
      - setup sh lib.sh ext4
      - proc A
      #= create /mnt/f1
      - sh touch /mnt/f1
      A map m0 /mnt/f1 0 4096 shared
      #= place journal
      - setvar J whatever
      - mce bdev:pmem3+${J}
      """
    let live = try Scenario(parsing: "# a fs\n\(lines)\n".utf8, file: "a.scn").live(on: .v6_12)
    #expect(live.filesystem?.kind == .ext4)
    let said = live.text.split(separator: "\n")
    #expect(said[1...2] == ["#= nothing", "- setup sh lib.sh ext4"])
    let place = said.first { $0.hasPrefix("#= value ") }.flatMap { UInt64($0.dropFirst(9)) }
    #expect(place.map { $0 > 0 && $0 % 4096 == 0 } == true, "\(live.text)")
    #expect(said.contains("#= create /mnt/f1"))
  }

  /// Catches a page of the host's own that a scenario would have fail, and a filesystem that goes while the machine runs.
  @Test(arguments: [
    "A map p /mnt/f1 0 4096 private\nA wr p 0\nA madv p 0 4096 hwpoison",
    "- hwp bdev:pmem3+0", "- umount", "#= mount /dev/pmem3 dax=always\n- sh true",
    "- setup sh lib.sh ext4", "- unbind 3.0", "- disable-namespace 2.0",
  ])
  func `is refused for what the filesystem's host cannot do`(lines: String) {
    let begin = "- setup sh lib.sh xfs\n- mkfile /mnt/f1 4096 1\n- proc A\n"
    #expect(throws: LiveObstacle.self) { try Self.live(begin + lines) }
  }
}
