internal import LinuxSys
internal import TestSupport
import Testing

/// The bus as unmodified ndctl, daxctl and PMDK see it, and what shells and scripts write into /sys.
@Suite(.serialized) struct `The NVDIMM bus` {
  /// A device of each page size, both at once.
  private static let two = ["--device", "size=64M", "--device", "size=32M,align=4k"]

  /// The first line that fails ends the script; `not` is for those that must, which `!` would not notice.
  private static let strict = """
    set -e
    not() { if "$@"; then echo "succeeded: $*" >&2; exit 9; fi; }

    """

  /// In a folder of its own: scripts keep what they compare in files.
  private func run(_ script: String) throws -> Program.Output {
    let folder = try Scratch()
    return try Softdax.run(
      Self.two, ["sh", "-c", Self.strict + script], in: folder.path)
  }

  /// Catches a tool of softdax that looks at other errors than the bus: on media whose errors are lists only, and on those that break.
  @Test(arguments: [[], ["--medium", "FILE"]])
  func `softdax inject-error -t and clear-errors see what ndctl injected`(medium: [String]) throws {
    let folder = try Scratch()
    let file = folder.path + "/medium"
    let options = medium.map { $0 == "FILE" ? file : $0 } + ["--size", "64M"]
    let softdax = Project.softdax
    let result = try Softdax.run(
      options,
      [
        "sh", "-c",
        Self.strict + """
          bad=/sys/bus/nd/devices/region0/badblocks
          ndctl inject-error namespace0.0 -B 8 -n 8 > injected
          [ "$(cat $bad)" = "8 8" ]
          \(softdax) inject-error dax0.0 -t | grep -A1 '"block" : 8' | grep -q '"count" : 8'
          \(softdax) inject-error dax0.0 -d -B 8 -n 4
          \(softdax) inject-error dax0.0 -t | grep -A1 '"block" : 12' | grep -q '"count" : 4'
          [ "$(cat $bad)" = "8 8" ]
          \(softdax) clear-errors dax0.0
          not sh -c '\(softdax) inject-error dax0.0 -t | grep block.:'
          [ -z "$(cat $bad)" ]
          [ -z "$(ndctl inject-error namespace0.0 -t | grep block)" ]
          """,
      ], in: folder.path)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches what an injection must change and does not, and an `inject-error` that waits half a minute for a scrub.
  @Test(arguments: ["namespace0.0", "namespace1.0"])
  func `ndctl injects, lists, takes back and clears, twice in a row`(namespace: String) throws {
    let region = "region" + String(namespace.dropFirst(9).prefix(1))
    let bad = "/sys/bus/nd/devices/\(region)/badblocks"
    let result = try run(
      """
      ndctl inject-error \(namespace) -B 24 -n 8 > injected
      grep -q '"badblock_count":8' injected
      grep -A1 '"offset":24' injected | grep -q '"length":8'
      [ "$(cat \(bad))" = "24 8" ]
      ndctl list -M > listed
      [ "$(grep -c '"badblock_count":8' listed)" = 1 ]
      [ "$(grep -c '"chardev"' listed)" = 2 ]
      ndctl inject-error \(namespace) -t > status
      grep -A1 '"block":24' status | grep -q '"count":8'
      for round in 1 2; do
        ndctl clear-errors \(namespace) 2> said
        grep -q 'cleared 1 namespace' said
        [ -z "$(cat \(bad))" ]
        [ -z "$(ndctl inject-error \(namespace) -t | grep block)" ]
      done

      ndctl inject-error \(namespace) -B 100 -n 1 -N > quiet
      not grep -q badblock quiet
      [ -z "$(cat \(bad))" ]
      ndctl start-scrub | grep -q '"scrub_state":"idle"'
      ndctl wait-scrub | grep -q '"scrub_state":"idle"'
      [ "$(cat \(bad))" = "100 1" ]
      ndctl inject-error \(namespace) -B 100 -n 1 -d > taken 2>&1
      grep -q 'not cause the kernel' taken
      [ -z "$(ndctl inject-error \(namespace) -t | grep block)" ]
      [ "$(cat \(bad))" = "100 1" ]
      ndctl clear-errors -s \(namespace)
      [ -z "$(cat \(bad))" ]

      # Saturated: the whole block, so that taking back the unit leaves the rest.
      ndctl inject-error \(namespace) -B 7 -n 1 -N -S
      ndctl inject-error \(namespace) -B 7 -n 1 -d
      ndctl inject-error \(namespace) -t | grep -q '"block":7'
      ndctl inject-error \(namespace) -B 7 -n 1 -d -S
      [ -z "$(ndctl inject-error \(namespace) -t | grep block)" ]
      not ndctl inject-error \(namespace) -B 999999999 -n 1
      """)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches a namespace that lists as enabled when it is not, and one that does not come back.
  @Test func `ndctl disables and enables namespaces in any order`() throws {
    let result = try run(
      """
      for round in 1 2; do
        ndctl disable-namespace namespace0.0
        [ ! -e /dev/dax0.0 ]
        [ -c /dev/dax1.0 ]
        [ "$(ls /dev | grep 'dax[0-9]')" = dax1.0 ]
        [ "$(daxctl list | grep -c chardev)" = 1 ]
        ndctl list -Ni -n namespace0.0 | grep -q '"state":"disabled"'
        [ "$(ndctl list -N | grep -c '"dev":')" = 1 ]
        ndctl disable-namespace namespace0.0
        ndctl enable-namespace namespace0.0
        ndctl enable-namespace namespace0.0
        [ -c /dev/dax0.0 ]
        [ "$(daxctl list | grep -c chardev)" = 2 ]
      done
      ndctl disable-namespace all
      [ -z "$(daxctl list)$(ndctl list -N)" ]
      not daxio -z -o /dev/dax0.0
      ndctl enable-namespace namespace1.0
      daxio -z -o /dev/dax1.0 -l 1M
      ndctl enable-namespace all
      [ "$(ndctl list -N | grep -c chardev)" = 2 ]
      daxio -z -o /dev/dax0.0 -l 2M
      """)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches a device without driver that opens, and drivers that libkmod does not find.
  @Test func `daxctl disables and enables a device`() throws {
    let result = try run(
      """
      daxctl disable-device dax1.0
      daxctl list -d dax1.0 | grep -q '"state":"disabled"'
      [ -c /dev/dax1.0 ]
      python3 -c 'import os; os.open("/dev/dax1.0", os.O_RDWR)' 2>&1 | grep -q 'No such device or address'
      daxctl enable-device dax1.0
      [ -z "$(daxctl list -d dax1.0 | grep state)" ]
      daxio -z -o /dev/dax1.0 -l 1M
      not daxctl reconfigure-device -m system-ram dax1.0
      """)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches bad blocks that PMDK does not see, sees at another place, or cannot clear.
  @Test(arguments: ["0", "1"])
  func `pmempool and daxio find bad blocks and clear them`(device: String) throws {
    let bad = "/sys/bus/nd/devices/region\(device)/badblocks"
    let node = "/dev/dax\(device).0"
    let result = try run(
      """
      inject() { ndctl inject-error namespace\(device).0 -B 4096 -n 8 > injected; }
      inject
      not pmempool create obj \(node) 2> refused
      grep -q 'contains bad blocks' refused
      pmempool create --clear-bad-blocks obj \(node)
      [ -z "$(cat \(bad))" ]
      pmempool check \(node)
      inject
      pmempool info --bad-blocks=yes \(node) | grep -q '4096[[:space:]]*8'
      pmempool rm \(node)
      daxio -z -o \(node) --clear-bad-blocks=yes -l 8M
      [ -z "$(cat \(bad))" ]
      """)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches a step that needs root.
  @Test(.enabled(if: ThisProcess.effectiveUser == 0, "must be root to become somebody else"))
  func `an ordinary user injects and clears as well`() throws {
    let script =
      Self.strict + """
        ndctl inject-error namespace0.0 -B 8 -n 2 | grep -q '"badblock_count":2'
        ndctl clear-errors namespace0.0
        ndctl clear-errors namespace0.0
        ndctl disable-namespace namespace0.0
        ndctl enable-namespace namespace0.0
        echo 1 > /sys/bus/nd/devices/ndbus0/nfit/scrub
        bash -c 'echo 1 > /sys/bus/nd/devices/ndbus0/nfit/scrub'
        [ "$(cat /sys/bus/nd/devices/ndbus0/nfit/scrub)" = 4 ]
        not cat /sys/bus/nd/drivers/nd_pmem/bind
        not sh -c 'echo 1 > /sys/bus/nd/devices/region0/size'
        """
    let result = try Program.run(
      [
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "-u",
        "XDG_RUNTIME_DIR", "HOME=/tmp", Project.softdax, "run", "--size", "64M", "--", "sh", "-c",
        script,
      ])
    #expect(result.status == 0, "\(result.all)")
  }

  /// Each writes "1", then what the kernel refuses. Catches a write that goes past the server: by a shell's own
  /// stdio, a program's that inherited the file, through a descriptor that exec kept.
  @Test(arguments: [
    ("echo %d > $S", true), ("bash -c 'echo %d > $S'", true),
    ("bash -c 'exec 5> $S; echo %d >&5'", true), ("bash -c '(echo %d) > $S'", true),
    ("/bin/echo %d > $S", true), ("env printf %d > $S", true), ("echo %d | cat > $S", true),
    ("echo %d | tee $S > /dev/null", true), ("echo %d | dd of=$S status=none", true),
    ("echo %d > t; cp t $S", true), ("echo %d >> $S", true),
    ("python3 -c 'open(\"'$S'\", \"w\").write(\"%d\")'", false),
    ("python3 -c 'import os; os.write(os.open(\"'$S'\", os.O_RDWR), b\"%d\")'", true),
    (
      "python3 -c 'import subprocess as s; s.check_call([\"echo\", \"%d\"], stdout=open(\"'$S'\", \"w\"))'",
      true
    ),
    ("perl -e 'open(F, \">\", \"'$S'\"); print F %d; close(F) or exit 1'", true),
  ])
  func `whatever program writes to an attribute, the server reads it`(
    words: String, tellsError: Bool
  ) throws {
    let folder = try Scratch()
    func with(_ number: String) -> String {
      guard let place = words.firstRange(of: "%d") else { return words }
      return words.replacingCharacters(in: place, with: number)
    }
    let script = """
      S=/sys/bus/nd/devices/ndbus0/nfit/scrub
      export S
      \(with("1")) || exit 1
      [ "$(cat $S)" = 1 ] || exit 2
      \(with("7")) 2> refused && \(tellsError ? "exit 3" : "true")
      [ "$(cat $S)" = 1 ] || exit 4
      \(with("1")) || exit 5
      [ "$(cat $S)" = 2 ] || exit 6
      """
    let result = try Softdax.run(["--size", "2M"], ["sh", "-c", script], in: folder.path)
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches a struct that is read or written past what the program has, and a refusal that changed something.
  @Test func `a program's own ioctls are answered as the driver answers them`() throws {
    let result = try Softdax.run(
      ["--size", "64M"], [Project.program("ndctl-ioctl"), "/dev/ndctl0"])
    #expect(result.status == 0, "\(result.all)")
  }
}

extension String {
  fileprivate func replacingCharacters(in place: Range<Index>, with text: String) -> String {
    String(self[..<place.lowerBound]) + text + String(self[place.upperBound...])
  }
}
