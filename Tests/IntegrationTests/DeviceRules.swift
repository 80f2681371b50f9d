internal import TestSupport
import Testing

/// Device-dax as the kernel has it, asked by real processes. Each program of Tests/Programs says in one line what it found wrong.
@Suite(.serialized) struct `Device-dax rules` {
  /// Catches a rule of section "character device" that live programs do not meet: EINVAL, EACCES, SIGBUS past the end …
  @Test(arguments: ["4k", "2m"])
  func `every system call answers as on a real device`(alignment: String) throws {
    let bytes = alignment == "4k" ? "4096" : "2097152"
    let result = try Softdax.run(
      ["--size", "64M", "--align", alignment],
      [Project.program("api-rules"), "/dev/dax0.0", bytes])
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches bookkeeping by descriptor number, hangs in fork and exec, mappings that lose their registration.
  @Test(arguments: [
    "descriptors", "remap-ops", "sync-map", "syscall-buffer", "fork-while-faulting",
    "exec-environment", "many-threads", "full-table", "bad-buffers", "fork-handlers", "by-number",
    "server-full",
  ])
  func `mappings survive what programs do to them`(program: String) throws {
    for options in [["--size", "64M"], ["--size", "64M", "--align", "4k"]] {
      let result = try Softdax.run(
        options + ["--report"], [Project.program(program), "/dev/dax0.0"])
      #expect(result.status == 0, "\(program) \(options): \(result.all)")
      #expect(result.err.contains("pages of /dev/dax0.0 idle"), "\(result.all)")
    }
  }

  /// Catches memory of softdax's own in a hole that the program has made for the mapping: device bytes that change by themselves.
  @Test func `a program maps where it has made room, and nobody else`() throws {
    let result = try Softdax.run(
      ["--size", "64M", "--align", "4k"], [Project.program("address-hole"), "/dev/dax0.0"])
    #expect(result.status == 0, "\(result.all)")
  }

  /// Catches mappings that are lost with the privilege that made them.
  @Test func `what is mapped stays when the program becomes another user`() throws {
    for options in [["--size", "64M"], ["--size", "64M", "--align", "4k"]] {
      let result = try Softdax.run(options, [Project.program("other-user"), "/dev/dax0.0"])
      #expect([0, 77].contains(result.status), "\(options): \(result.all)")
    }
  }

  /// Catches a call that shows the session directory, a regular file, or the host's half of a folder alone.
  @Test func `every call that takes a path sees a character device`() throws {
    for options in [["--size", "64M"], ["--device", "size=8M,align=4k", "--device", "size=64M"]] {
      let result = try Softdax.run(options, [Project.program("paths"), "/dev/dax0.0"])
      #expect(result.status == 0, "\(options): \(result.all)")
    }
  }

  /// Catches two insertions, or two references, for one page.
  @Test func `64 threads that touch one page cause exactly one insertion`() throws {
    let result = try Softdax.run(
      ["--size", "64M", "--align", "4k", "--report"],
      [Project.program("one-page-64-threads"), "/dev/dax0.0"])
    #expect(result.status == 0, "\(result.all)")
    #expect(result.err.contains(": 1 page of 4k inserted"), "\(result.all)")
  }

  /// Catches a medium behind which the same program behaves differently.
  @Test(arguments: ["/dev/shm", "/var/tmp"])
  func `the rules hold on a file, by whichever inserter it needs`(base: String) throws {
    let folder = try Scratch(in: base)
    for (alignment, bytes) in [("4k", "4096"), ("2m", "2097152")] {
      let options = [
        "--medium", "\(folder.path)/\(alignment)", "--size", "64M", "--align", alignment,
        "--report",
      ]
      for words in [
        ["api-rules", "/dev/dax0.0", bytes], ["remap-ops", "/dev/dax0.0"],
        ["descriptors", "/dev/dax0.0"], ["syscall-buffer", "/dev/dax0.0"],
        ["fork-while-faulting", "/dev/dax0.0"],
      ] {
        let result = try Softdax.run(options, [Project.program(words[0])] + words.dropFirst())
        #expect(result.status == 0, "\(base) \(alignment) \(words): \(result.all)")
        #expect(result.err.contains("pages of /dev/dax0.0 idle"), "\(result.all)")
      }
    }
  }
}
