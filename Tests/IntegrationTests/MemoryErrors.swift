internal import TestSupport
import Testing

/// Memory errors as programs meet them. `memory-error` injects them with the command of a user, and says in one line what it found
/// wrong.
@Suite(.serialized) struct `Memory errors` {
  /// The device is idle afterwards: no reference of a marker or of a page that was taken away is left.
  private static func run(_ name: String, _ alignment: String, _ options: [String] = []) throws {
    let bytes = alignment == "4k" ? "4096" : "2097152"
    let result = try Softdax.run(
      ["--size", "64M", "--align", alignment, "--report"] + options,
      [Project.program("memory-error"), name, "/dev/dax0.0", bytes, Project.softdax])
    #expect(result.status == 0, "\(name) \(alignment): \(result.all)")
    #expect(result.err.contains("pages of /dev/dax0.0 idle"), "\(result.all)")
  }

  /// Catches a wrong code, address or lsb; a signal for a healthy page of the same folio; bytes lost beside the bad sector.
  @Test(arguments: ["4k", "2m"])
  func `a touch of a bad page is BUS_MCEERR_AR, until the page is made good`(alignment: String)
    throws
  {
    try Self.run("touch", alignment)
    try Self.run("touch", alignment, ["--fault-around", "16"])
    try Self.run("touch", alignment, ["--populate"])
  }

  /// Catches a marker that a mremap, a fork, an alias or MADV_DONTNEED brings out of step with the medium.
  @Test(arguments: ["4k", "2m"])
  func `an error stays with its page wherever that is mapped`(alignment: String) throws {
    try Self.run("moves", alignment)
  }

  /// Catches a host without UFFDIO_POISON on which an error is no error, is told with another code, or stays when it is cleared.
  @Test(arguments: ["touch", "die", "early", "threads", "flags", "others", "system-calls"])
  func `without markers the agent takes the page away`(name: String) throws {
    try Self.run(name, "4k", ["--without-markers"])
    try Self.run(name, "2m", ["--without-markers"])
  }

  /// Catches a page of a medium that is mapped over which stays in somebody's window, comes in around a bad one, or not again when it is
  /// good.
  @Test(arguments: [
    "touch", "die", "early", "threads", "order", "flags", "others", "system-calls", "moves",
    "advice",
  ])
  func `of a file on a disk are met as those of memory`(name: String) throws {
    for alignment in ["4k", "2m"] {
      let folder = try Scratch(in: "/var/tmp")
      try Self.run(name, alignment, ["--medium", folder.path + "/pmem"])
    }
  }

  /// Catches a page that is populated, locked or waited for in mlockall() behind the server's back, an mremap() of locked memory that waits for
  /// itself, and a latent error that insertion meets: a fault does not read the page.
  @Test(arguments: [
    [], ["--without-markers"], ["--medium", "FILE"], ["--medium", "FILE", "--without-markers"],
  ])
  func `pages are inserted ahead of a touch whatever the medium says`(options: [String]) throws {
    for (alignment, bytes) in [("4k", "4096"), ("2m", "2097152")] {
      let folder = try Scratch(in: "/var/tmp")
      let result = try Softdax.run(
        ["--size", "64M", "--align", alignment, "--report"]
          + options.map { $0 == "FILE" ? folder.path + "/pmem" : $0 },
        [Project.program("locked-memory"), "/dev/dax0.0", bytes, Project.softdax])
      #expect(result.status == 0, "\(alignment): \(result.all)")
      #expect(result.err.contains("pages of /dev/dax0.0 idle"), "\(result.all)")
    }
  }

  /// Catches an error that a program can avoid by blocking or ignoring SIGBUS.
  @Test(arguments: ["4k", "2m"])
  func `a touch kills who has no handler, blocks or ignores`(alignment: String) throws {
    try Self.run("die", alignment)
  }

  /// Catches BUS_MCEERR_AO forced on who blocks or ignores it, or sent to who does not have the page any more.
  @Test(arguments: ["4k", "2m"])
  func `who asks for it is told early, as by an ordinary signal`(alignment: String) throws {
    try Self.run("early", alignment)
  }

  /// Catches policies that are taken for the process's, the agent chosen as a target, policies lost by fork.
  @Test(arguments: ["4k", "2m"])
  func `the first thread that wants to be told is told`(alignment: String) throws {
    try Self.run("threads", alignment)
  }

  /// Catches mappings of a page that are told in the order of their addresses, or in another one in a forked child.
  @Test(arguments: ["4k", "2m"])
  func `mappings are told of in the order in which they were made, in a child too`(
    alignment: String
  ) throws {
    try Self.run("order", alignment)
  }

  /// Catches a handler that is not called as the kernel calls it, or that a program can tell from its own.
  @Test(arguments: ["4k", "2m"])
  func `handlers keep their flags, stack and identity`(alignment: String) throws {
    try Self.run("flags", alignment)
  }

  /// Catches pages that stay mapped in other processes, bytes lost by unmapping, and signals to who has not asked.
  @Test(arguments: ["4k", "2m"])
  func `others lose the page, keep the bytes and are not told`(alignment: String) throws {
    try Self.run("others", alignment)
  }

  /// Catches a system call that reads a bad page, or a signal for one.
  @Test(arguments: ["4k", "2m"])
  func `a bad buffer makes a system call fail with EFAULT`(alignment: String) throws {
    try Self.run("system-calls", alignment)
  }

  /// Catches MADV_HWPOISON that reaches the host's memory, a step that is not the folio's, a signal for each folio.
  @Test(arguments: ["4k", "2m"])
  func `MADV_HWPOISON fails folio by folio and signals the caller`(alignment: String) throws {
    try Self.run("advice", alignment)
  }

  /// A server, and a program that has two pages of its device mapped and waits.
  private func held(_ options: String...) throws -> (Service, Program) {
    let service = try Service(["--size", "4M", "--align", "4k"] + options)
    let program = try service.start(
      [Project.program("map-hold"), "/dev/dax0.0", "0", "8192"], holdsInput: true)
    #expect(program.waitForOutput("ready"))
    return (service, program)
  }

  /// Catches the setting not reaching the handler.
  @Test func `vm.memory_failure_early_kill tells everyone who asked for nothing`() throws {
    let (service, program) = try held("--sysctl", "vm.memory_failure_early_kill=1")
    let words = ["inject-error", "dax0.0", "-B", "8", "--socket", service.socket]
    #expect(try Softdax.tool(words + ["--as", "machine-check"]).status == 0)
    // No handler: it dies of the signal.
    #expect(try program.wait().status == 128 + 7)
    #expect(try service.stop().status == 0)
  }

  /// Catches a machine that goes on after its kernel has given up.
  @Test func `without vm.memory_failure_recovery a failure ends everything`() throws {
    let (service, program) = try held("--sysctl", "vm.memory_failure_recovery=0")
    let words = ["inject-error", "dax0.0", "-B", "8", "--socket", service.socket]
    #expect(try Softdax.tool(words + ["--as", "poison"]).status == 1)
    #expect(try program.wait().status == 128 + 9)
    #expect(try service.stop().status == 0)

    // A rule's error has come: it is no rule that could not be followed.
    let options = ["--size", "4M", "--align", "4k", "--sysctl", "vm.memory_failure_recovery=0"]
    let run = try Softdax.run(
      options + ["--inject", "fault=1,as=machine-check"],
      [Project.program("error-steps"), "/dev/dax0.0", "1", "touch"])
    #expect(run.status == 128 + 9 && !run.err.contains("--inject"), "\(run.all)")
    let early = try Softdax.run(options + ["--inject", "offset=0"], ["echo", "begun"])
    #expect(early.status == 125 && early.out.isEmpty, "\(early.all)")
    #expect(early.err.contains("recovery is 0"), "\(early.all)")
  }

  /// Catches an option that does not reach the pages' counts.
  @Test func `the kernel's version says what an entry counts`() throws {
    for (kernel, refcount) in [("6.12", "1"), ("7.2", "2")] {
      let (service, program) = try held("--kernel", kernel)
      let pages = try Softdax.tool([
        "pages", "dax0.0", "--count", "1", "--json", "--socket", service.socket,
      ])
      #expect(pages.out.contains("\"refcount\" : \(refcount)"), "\(kernel): \(pages.all)")
      try program.sendLine()
      #expect(try program.wait().status == 0)
      #expect(try service.stop().status == 0)
    }
  }

  /// Catches errors that look like success, or a message that does not say what to do.
  @Test func `what cannot be broken is refused in words`() throws {
    let service = try Service(["--size", "4M", "--align", "4k"])
    func inject(_ words: String...) throws -> Program.Output {
      try Softdax.tool(["inject-error", "--socket", service.socket] + words)
    }
    let outside = try inject("dax0.0", "-B", "8192")
    #expect(outside.status == 1 && outside.err.contains("8192 sectors"), "\(outside.all)")
    let untouched = try inject("dax0.0", "-B", "8", "--as", "poison")
    #expect(untouched.status == 1 && untouched.err.contains("EBUSY"), "\(untouched.all)")
    let kind = try inject("dax0.0", "-B", "8", "--as", "smoke")
    #expect(kind.status != 0 && kind.err.contains("machine-check"), "\(kind.all)")
    let end = try inject("dax0.0", "-B", "8191")
    #expect(end.status == 0, "\(end.all)")
    let clear = try Softdax.tool(["clear-errors", "--socket", service.socket, "dax0.0"])
    #expect(clear.status == 0, "\(clear.all)")
    #expect(try service.stop().status == 0)
  }
}

extension `Memory errors` {
  /// Catches a bus whose errors are not the media's, and a `badblocks` that does not follow a touch.
  @Test func `what ndctl breaks is what a touch meets`() throws {
    let service = try Service(["--size", "64M"])
    let script = """
      set -e
      ndctl inject-error namespace0.0 -B 8 -n 8 -N > /dev/null
      [ -z "$(cat /sys/bus/nd/devices/region0/badblocks)" ]
      touch='import mmap,os,sys
      m = mmap.mmap(os.open("/dev/dax0.0", os.O_RDWR), 1 << 21)
      sys.exit(m[int(sys.argv[1])] if len(sys.argv) > 1 else m[4096])'
      touch=$(printf '%s' "$touch" | sed 's/^ *//')
      set +e
      python3 -c "$touch"; status=$?
      [ $status -eq 135 ] || { echo "a touch ended with $status"; exit 1; }
      for wait in $(seq 3000); do [ -n "$(cat /sys/bus/nd/devices/region0/badblocks)" ] && break; sleep 0.1; done
      [ -n "$(cat /sys/bus/nd/devices/region0/badblocks)" ] || { echo "badblocks is empty"; exit 1; }
      ndctl clear-errors namespace0.0 > /dev/null
      python3 -c "$touch" || { echo "a touch after clearing ended with $?"; exit 1; }
      [ -z "$(cat /sys/bus/nd/devices/region0/badblocks)" ] || { echo "badblocks stays"; exit 1; }
      """
    let result = try service.run(["bash", "-c", script])
    #expect(result.status == 0, "\(result.all)")
    #expect(try service.stop().status == 0)
  }
}
