import LinuxSys
import TestSupport
import Testing

/// Bad input gets one line: what failed, on what, what to do. And nothing is left behind.
@Suite(.serialized) struct `Bad input` {
  private func expectRefusal(
    _ result: Program.Output, _ words: [String], status: Int32 = 125,
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(result.status == status, "\(result.all)", sourceLocation: location)
    #expect(result.err.components("\n") == 1, "\(result.all)", sourceLocation: location)
    #expect(result.out.isEmpty, "\(result.all)", sourceLocation: location)
    for word in words {
      #expect(result.err.contains(word), "no \(word): \(result.all)", sourceLocation: location)
    }
  }

  /// Catches a device that begins although what was asked for cannot be, or a message that leaves its reader alone.
  @Test(arguments: [
    (["--size", "3M"], ["3145728", "multiple", "4194304"]),
    (["--size", "0"], ["size 0", "--size"]),
    (["--size", "12q"], ["12q", "not a size"]),
    (["--align", "3k"], ["3k", "4k, 2m or 1g"]),
    (["--medium", "flash"], ["flash", "memfd, hugetlb"]),
    (["--medium", "/dev/dax99.0"], ["/dev/dax99.0", "real device"]),
    (["--medium", "/tmp"], ["/tmp", "regular file"]),
    (["--medium", "/nonexistent/pmem"], ["/nonexistent/pmem", "--size"]),
    (["--medium", "/nonexistent/pmem", "--size", "2M"], ["/nonexistent/pmem", "No such file"]),
    (["--device", "size=2M,colour=red"], ["colour=red", "size=SIZE"]),
    (["--device", "size=2M,align=4k,align=2m"], ["align", "twice"]),
    (["--device", ""], ["is not part of a device", "size=SIZE"]),
    (["--size", "0xffffffffffffffff"], ["18446744073709551615", "multiple"]),
    (["--medium", "m.img"], ["m.img", "./m.img"]),
    (["--socket", "/nonexistent/socket", "--size", "4M"], ["--socket", "softdax serve"]),
    (["--device", "size=2M", "--size", "4M"], ["--device", "--size"]),
    (["--medium", "hugetlb", "--size", "64G"], ["huge pages", "nr_hugepages"]),
    (["--socket", "/nonexistent/socket"], ["/nonexistent/socket", "softdax serve"]),
    (["--cpu", "4095"], ["4095", "CPU"]),
    (["--colour", "red"], ["--colour", "--help"]),
    (["--size", "-1"], ["--size -1", "without a sign"]),
  ])
  func `a machine that cannot be is refused in one line`(options: [String], words: [String]) throws
  {
    expectRefusal(try Softdax.run(options, ["true"]), words)
  }

  /// Catches a file that is made larger, or truncated, behind its owner's back.
  @Test func `a file too small for the device is left as it is`() throws {
    let folder = try Scratch()
    let file = folder.path + "/small"
    #expect(try Program.run(["truncate", "-s", "4M", file]).status == 0)
    expectRefusal(
      try Softdax.run(["--medium", file, "--size", "64M"], ["true"]), [file, "too small", "--size"])
    #expect(try Program.run(["stat", "-c", "%s", file]).out == "4194304\n")
  }

  /// Catches a message that blames another server for a file that is named twice, by whatever name.
  @Test func `two devices on one file are refused as such`() throws {
    let folder = try Scratch()
    let (file, link) = (folder.path + "/pmem", folder.path + "/link")
    #expect(try Program.run(["truncate", "-s", "4M", file]).status == 0)
    #expect(try Program.run(["ln", file, link]).status == 0)
    for other in [file, link] {
      expectRefusal(
        try Softdax.run(["--device", "medium=\(file)", "--device", "medium=\(other)"], ["true"]),
        [other, "two devices"])
    }
  }

  /// Catches a file made for a device that never was.
  @Test func `a refused device leaves no file behind`() throws {
    let folder = try Scratch()
    let file = folder.path + "/new"
    expectRefusal(
      try Softdax.run(["--medium", file, "--size", "3M"], ["true"]), ["multiple"])
    #expect(Folder.entries(folder.path).isEmpty)
  }

  /// Catches two machines that write to one file.
  @Test(arguments: ["/dev/shm", "/var/tmp"])
  func `a file in use by another server is refused`(base: String) throws {
    let folder = try Scratch(in: base)
    let medium = ["--medium", folder.path + "/pmem", "--size", "4M"]
    let service = try Service(medium)
    expectRefusal(try Softdax.run(medium, ["true"]), [folder.path + "/pmem", "in use"])
    #expect(try service.stop().status == 0)
    #expect(try Softdax.run(medium, ["true"]).status == 0)
  }

  /// Catches a server that takes over another's socket, and one that removes a file that is not its own.
  @Test func `a socket in use is refused, a dead one replaced`() throws {
    let service = try Service(["--size", "2M"])
    let second = ["serve", "--socket", service.socket, "--size", "2M"]
    expectRefusal(try Softdax.tool(second), [service.socket, "in use"])
    #expect(try service.run(["true"]).status == 0)
    let file = service.folder.path + "/file"
    #expect(try Program.run(["touch", file]).status == 0)
    expectRefusal(
      try Softdax.tool(["serve", "--socket", file, "--size", "2M"]), [file, "in use"])
    #expect(try Program.run(["test", "-f", file]).status == 0)
    service.program.send(signal: 9)
    _ = try service.program.wait()
    let heir = try Program([Project.softdax] + second)
    #expect(heir.waitForOutput("serving"), "\(heir.complained)")
    heir.send(signal: 15)
    #expect(try heir.wait().status == 0)
    #expect(Folder.entries(service.folder.path) == ["file"])
  }

  /// Catches a run that starts, and whose program then fails at its first mmap for a reason it cannot know.
  @Test func `without userfaultfd the run says what would permit it`() throws {
    let result = try Program.run([
      "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
      Project.program("without-userfaultfd"), Project.softdax, "run", "--size", "2M", "--", "true",
    ])
    expectRefusal(
      result, ["userfaultfd", "vm.unprivileged_userfaultfd", "/dev/userfaultfd", "seccomp"])
  }
}
