internal import Scenario
internal import Testing

@Suite struct `a scenario for real processes` {
  private static func live(_ lines: String) throws -> String {
    try Scenario(parsing: "# a devdax\n\(lines)\n".utf8, file: "a.scn").liveText()
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
}
