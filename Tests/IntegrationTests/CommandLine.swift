internal import Foundation
internal import Latency
internal import LinuxSys
internal import TestSupport
internal import Testing
internal import Wire

/// The tools as a user types them. None of these tests needs a workload.
@Suite(.serialized) struct `The command line` {
  /// One line on standard error, nothing on standard output.
  private func isOneLine(_ output: Program.Output) -> Bool {
    output.out.isEmpty && output.err.hasPrefix("softdax: ") && output.err.hasSuffix("\n")
      && output.err.dropLast().allSatisfy { !$0.isNewline }
  }

  private func json(_ text: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(text.utf8))
  }

  /// Catches a command that is not explained, or whose example has gone.
  @Test(arguments: [
    [], ["run"], ["serve"], ["env"], ["list"], ["pages"], ["latency"], ["owners"], ["check"],
    ["inject-error"], ["clear-errors"], ["start-scrub"], ["wait-scrub"], ["monitor"], ["bench"],
    ["bench", "insert"], ["bench", "poison"], ["bench", "model"], ["bench", "owners"], ["fsck"],
    ["scenario", "run"], ["scenario", "explain"],
  ])
  func `each command explains itself`(command: [String]) throws {
    let asked = try Softdax.tool(command + ["--help"])
    #expect(asked.status == 0, "\(asked.all)")
    #expect(asked.err.isEmpty)
    #expect(asked.out.contains("USAGE: softdax"))
    if !command.isEmpty && command != ["bench"] { #expect(asked.out.contains("Example: ")) }
    let helped = try Softdax.tool(["help"] + command)
    #expect(helped.status == 0, "\(helped.all)")
    #expect(helped.out == asked.out)
  }

  /// Catches a usage text of twenty lines in somebody's log, and failures that look like success.
  @Test(arguments: [
    (["nonsense"], 64, "nonsense"),
    (["list", "--no-such-option"], 64, "--no-such-option"),
    (["pages"], 64, "device"),
    (["pages", "dax0.0", "--first", "1", "--offset", "4k"], 64, "--first or --offset"),
    (["pages", "dax0.0", "--first", "minus"], 64, "--first"),
    (["latency", "--kind", "speed"], 64, "use one of insert, lookup, install"),
    (["check", "--require", "magic"], 64, "there are userfaultfd, "),
    (["bench", "insert", "--repetitions", "0"], 64, "1 to 1000"),
    (["bench", "insert", "--pages", "1"], 64, "256 to 1048576"),
    (["bench", "owners", "--extents", "1"], 64, "1000 to 100000000"),
    (["bench", "owners", "--extents", "1000", "--fs", "/nowhere"], 1, "/nowhere: "),
    (["serve", "--size", "12q"], 64, "\"12q\" is not a size"),
    (["serve", "--size", "3M"], 125, "not a multiple of the alignment 2097152"),
    (["serve", "--size", "0"], 125, "a device of size 0"),
    (["serve", "--align", "3k"], 64, "use 4k, 2m or 1g"),
    (["serve", "--medium", "floppy"], 64, "no medium \"floppy\""),
    (["serve", "--medium", "/nowhere/pmem"], 125, "give a size to create it"),
    (["serve", "--medium", "/dev/dax77.0"], 125, "dax77.0"),
    (["serve", "--device", "colour=red"], 64, "\"colour=red\" is not part of a device"),
    (["serve", "--device", "size=1g", "--size", "1g"], 64, "--device says all of a device"),
    (["serve", "--fault-around", "-1"], 64, "--fault-around"),
    (["owners", "--fs", "/"], 64, "one of --block, --offset and --file"),
    (["owners", "--fs", "/nowhere", "--block", "1"], 1, "/nowhere: no such file"),
    (["owners", "--fs", "/", "--file", "/etc/passwd"], 1, "write PATH@BYTES"),
    (["owners", "--fs", "/", "--offset", "12q"], 1, "\"12q\" is not a size"),
    (["owners", "--fs", "/", "--offset", "0", "--length", "0"], 1, "a range of 0 bytes"),
    (["list", "--socket", "/nowhere/socket"], 1, "no server answers at /nowhere/socket"),
    (["pages", "dax0.0", "--socket", "/nowhere/socket"], 1, "no server answers"),
    (["latency", "--socket", "/nowhere/socket"], 1, "no server answers"),
    (["env", "--socket", "/nowhere/socket"], 1, "no server answers"),
    (["run"], 125, "command"),
    (["run", "--sise", "1g", "--", "true"], 125, "run has no option --sise"),
    (["run", "--size", "12q", "--", "true"], 125, "\"12q\" is not a size"),
    (["run", "--", "/nowhere/program"], 127, "/nowhere/program: no such program"),
    (["run", "--", "no-such-program-here"], 127, "no such program"),
    (["run", "--", "/etc/passwd"], 126, "cannot be executed"),
  ])
  func `bad input is answered with one line and a status`(
    words: [String], status: Int, line: String
  ) throws {
    let output = try Softdax.tool(words)
    #expect(Int(output.status) == status, "\(output.all)")
    #expect(isOneLine(output), "\(output.all)")
    #expect(output.err.contains(line), "\(output.all)")
  }

  /// Catches a tool that prints an empty table, or fails, where nothing is running.
  @Test func `without a server list is silent, and the others say how to start one`() throws {
    let folder = try Scratch()
    // A user's own place for servers, where there are none. Root has only one place, which others may use.
    let isRoot = ThisProcess.effectiveUser == 0
    let nobody = isRoot ? [] : ["XDG_RUNTIME_DIR=\(folder.path)"]
    guard !isRoot || Folder.entries("/run/softdax").isEmpty else { return }
    #expect(try Softdax.tool(["list"], environment: nobody).status == 0)
    let pages = try Softdax.tool(["pages", "dax0.0"], environment: nobody)
    #expect(pages.status == 1)
    #expect(
      pages.err
        == "softdax: no softdax server is running; start one with `softdax serve` or give --socket\n"
    )
  }

  // MARK: With a server

  /// Catches JSON that is none, and keys that daxctl's readers do not find.
  @Test func `list is JSON with the keys of daxctl`() throws {
    let service = try Service(["--size", "64M", "--align", "4k"])
    let plain = try Softdax.tool(["list", "--socket", service.socket])
    let devices = try #require(try json(plain.out) as? [[String: Any]])
    #expect(devices.count == 1)
    #expect(devices[0]["chardev"] as? String == "dax0.0")
    #expect(devices[0]["size"] as? UInt64 == 64 << 20)
    #expect(devices[0]["align"] as? UInt64 == 4096)
    #expect(devices[0]["mode"] as? String == "devdax")

    let human = try Softdax.tool(["list", "-u", "-v", "-d", "dax0.0", "--socket", service.socket])
    let device = try #require(try json(human.out) as? [String: Any])
    #expect(device["size"] as? String == "64.00 MiB (67.11 MB)")
    #expect(device["medium"] as? String == "memfd")
    #expect(device["mapped_pages"] as? Int == 0)
    #expect(device["faults"] as? Int == 0)

    let other = try Softdax.tool(["list", "-d", "dax5.0", "--socket", service.socket])
    #expect(other.status == 0)
    #expect(other.out.isEmpty)
    #expect(try service.stop().status == 0)
  }

  /// Catches counts that do not add up to the device, and ranges that reach past it.
  @Test func `pages shows every folio of the range asked for`() throws {
    let service = try Service(["--size", "64M", "--align", "2m"])
    func pages(_ words: [String]) throws -> Program.Output {
      try Softdax.tool(["pages", "dax0.0", "--socket", service.socket] + words)
    }
    let all = try #require(try json(pages(["--json"]).out) as? [[String: Any]])
    #expect(all.count == 32)
    #expect(all.map { $0["pfn"] as? Int } == (0..<32).map { $0 * 512 })
    #expect(all.allSatisfy { $0["order"] as? Int == 9 && $0["state"] as? String == "idle" })
    #expect(all.allSatisfy { $0["mapcount"] as? Int == 0 && $0["share"] as? Int == 0 })
    let none = try #require(try json(pages(["--json", "--mapped"]).out) as? [Any])
    #expect(none.isEmpty)
    #expect(try pages([]).out.hasSuffix("\n32 of 32 folios idle\n"))
    #expect(try pages(["--mapped"]).out == "32 of 32 folios idle\n")
    let some = try #require(
      try json(pages(["--offset", "4M", "--length", "4M", "--json"]).out) as? [[String: Any]])
    #expect(some.map { $0["pfn"] as? Int } == [1024, 1536])

    for (words, line) in [
      (["--first", "16384"], "page 16384 is outside dax0.0, whose pages are 0 to 16383"),
      (["--offset", "1g"], "is outside dax0.0"),
      (["--count", "0"], "a range of no pages"),
      (["--first", "16000", "--count", "1000"], "at most 384 from there"),
      (["--offset", "x"], "--offset: \"x\" is not a size"),
    ] {
      let output = try pages(words)
      #expect(output.status == 1, "\(output.all)")
      #expect(isOneLine(output), "\(output.all)")
      #expect(output.err.contains(line), "\(output.all)")
    }
    let unknown = try Softdax.tool(["pages", "dax9.9", "--socket", service.socket])
    #expect(isOneLine(unknown), "\(unknown.all)")
    #expect(unknown.err.contains("no device dax9.9 at \(service.socket); it has dax0.0"))
  }

  /// Catches figures that are lost between server and tool, and an export that no plotter reads.
  @Test func `latency reports what was recorded, as text, JSON and HdrHistogram`() throws {
    let service = try Service(["--size", "64M"])
    let nothing = try Softdax.tool(["latency", "--socket", service.socket])
    #expect(nothing.out.hasSuffix("nothing recorded yet\n"), "\(nothing.all)")

    let program = try service.run([Project.program("map-hold"), "/dev/dax0.0", "0", "67108864"])
    #expect(program.status == 0, "\(program.all)")

    let text = try Softdax.tool(["latency", "dax0.0", "--socket", service.socket])
    #expect(text.status == 0)
    for figure in ["insert", "lookup", "install"] { #expect(text.out.contains(figure)) }
    let output = try Softdax.tool(["latency", "dax0.0", "--json", "--socket", service.socket])
    let report = try #require((try json(output.out) as? [[String: Any]])?.first)
    #expect(report["device"] as? String == "dax0.0")
    #expect((report["host"] as? [String: Any])?["kernel"] is String)
    let figures = try #require(report["latencies"] as? [String: [String: Any]])
    #expect(Set(figures.keys) == ["insert", "lookup", "install"])
    // One for each page of 2 MiB.
    #expect(figures.values.allSatisfy { $0["count"] as? Int == 32 }, "\(figures)")
    let insert = try #require(figures["insert"]).compactMapValues { $0 as? Double }
    let ladder = ["minimum", "p50", "p90", "p99", "p999", "maximum"].compactMap { insert[$0] }
    #expect(ladder.count == 6 && ladder[0] > 0 && ladder == ladder.sorted(), "\(insert)")

    let file = service.folder.path + "/insert.hgrm"
    let exported = try Softdax.tool(
      ["latency", "dax0.0", "--kind", "insert", "--hgrm", file, "--socket", service.socket])
    #expect(exported.status == 0, "\(exported.all)")
    let lines = try SmallFile.read(file).split(separator: "\n")
    let rows = lines.filter { !$0.hasPrefix("#") }
      .map { $0.split(separator: " ").compactMap { Double($0) } }
      .filter { !$0.isEmpty }
    #expect(rows.count > 5)
    #expect(rows.allSatisfy { $0.count == 3 || $0.count == 4 }, "value, percentile, count, 1/(1-p)")
    #expect(zip(rows, rows.dropFirst()).allSatisfy { $0[0] <= $1[0] && $0[1] <= $1[1] })
    #expect(rows.last?[2] == 32)
    #expect(rows.last?[1] == 1)
    #expect(lines.contains { $0.contains("Total count") && $0.contains("32") })

    let nowhere = try Softdax.tool(
      ["latency", "dax0.0", "--hgrm", "/nowhere/file", "--socket", service.socket])
    #expect(nowhere.status == 1)
    #expect(isOneLine(nowhere), "\(nowhere.all)")
  }

  /// Catches a tool that asks the wrong server, or any of several.
  @Test func `with one server no socket is needed, with two it is`() throws {
    // Its own place for servers: only an ordinary user has one. As root, others' servers are seen as well.
    let one = try Service(["--size", "2M"])
    let found = try Softdax.tool(["list"])
    let two = try Service(["--size", "2M"])
    let several = try Softdax.tool(["list"])
    #expect(several.status == 1, "\(several.all)")
    #expect(several.err.contains("several servers are running, give one with --socket: "))
    #expect(isOneLine(several))
    #expect(found.status == 0 || found.err.contains("several servers"), "\(found.all)")
    #expect(try one.stop().status == 0)
    #expect(try two.stop().status == 0)
  }

  /// Catches a server that leaves its socket, or its directory, behind.
  @Test func `a server takes everything away that it made`() throws {
    let service = try Service(["--size", "2M"])
    let info = try ServerClient(socket: service.socket).server()
    #expect(info.pid == service.program.identifier)
    #expect(!Folder.entries(info.directory).isEmpty)
    let second = try Softdax.tool(["serve", "--size", "2M", "--socket", service.socket])
    #expect(second.status == 125)
    #expect(second.err.contains("socket \(service.socket) is in use"), "\(second.all)")
    #expect(isOneLine(second))
    #expect(try service.stop().status == 0)
    #expect(Folder.entries(info.directory).isEmpty)
    #expect(!Folder.entries(service.folder.path).contains("dax.sock"))
  }

  /// Catches a server that dies of what somebody sends to its socket.
  @Test func `a server outlives nonsense on its socket`() throws {
    let service = try Service(["--size", "2M"])
    for length in [1, 7, 8, 16, 100, 65_536, 65_537] {
      let connection = try Connection(to: service.socket)
      try connection.send(Array(repeating: 0x53, count: length))
      var none: OwnedDescriptor?
      var buffer = [UInt8](repeating: 0, count: 100)
      // -EPROTO, then the end.
      #expect(try connection.receive(into: &buffer, passed: &none) == 16)
      #expect(try connection.receive(into: &buffer, passed: &none) == 0)
    }
    #expect(try ServerClient(socket: service.socket).devices().count == 1)
    #expect(try service.stop().status == 0)
  }

  // MARK: The shim

  private let shim = Project.root + "/build/lib/softdax/libsoftdax-preload.so"

  /// Catches a shim that the loader cannot be told of: the program would run without any device.
  @Test(arguments: ["a b", "a:b", " "])
  func `a shim that LD_PRELOAD cannot name is refused`(name: String) throws {
    let folder = try Scratch()
    try Folder.make("\(folder.path)/\(name)", mode: 0o755)
    try Folder.link("\(folder.path)/link.so", to: "\(folder.path)/\(name)/shim.so")
    let copied = try Program.run(["cp", shim, "\(folder.path)/\(name)/shim.so"])
    try #require(copied.status == 0, "\(copied.all)")
    let service = try Service(["--size", "2M"])
    for path in ["\(folder.path)/\(name)/shim.so", "\(folder.path)/link.so"] {
      for words in [
        ["run", "--size", "2M", "--", "true"], ["run", "--socket", service.socket, "--", "true"],
        ["env", "--socket", service.socket],
      ] {
        let output = try Softdax.tool(words, environment: ["SOFTDAX_PRELOAD=\(path)"])
        #expect(output.status == 125, "\(output.all)")
        #expect(isOneLine(output), "\(output.all)")
        #expect(output.err.contains("a space or a colon; copy the library"), "\(output.all)")
      }
    }
  }

  /// Catches a shim that is lost when a program changes its directory, or that is not there at all.
  @Test func `SOFTDAX_PRELOAD may be relative, and must be right`() throws {
    let folder = try Scratch()
    try Folder.link("\(folder.path)/shim.so", to: shim)
    let there = try Softdax.run(
      ["--size", "2M"], ["sh", "-c", "cd / && sh -c 'test -c /dev/dax0.0'"],
      environment: ["SOFTDAX_PRELOAD=shim.so"], in: folder.path)
    #expect(there.status == 0, "\(there.all)")
    let absent = try Softdax.run(
      ["--size", "2M"], ["true"], environment: ["SOFTDAX_PRELOAD=absent.so"], in: folder.path)
    #expect(absent.status == 125)
    #expect(isOneLine(absent), "\(absent.all)")
    #expect(absent.err.contains("SOFTDAX_PRELOAD names absent.so, which is not there"))
  }

  /// Catches paths that a shell takes for more than a word.
  @Test func `env can be evaluated, whatever the paths are`() throws {
    let folder = try Scratch()
    let path = folder.path + #"/it's$(false)"*""#
    try Folder.make(path, mode: 0o755)
    let copied = try Program.run(["cp", shim, path + "/shim.so"])
    try #require(copied.status == 0, "\(copied.all)")
    let service = try Service(["--size", "2M"])
    let script = """
      eval "$('\(Project.softdax)' env --socket '\(service.socket)')"
      sh -c 'test -c /dev/dax0.0 && echo "$LD_PRELOAD"'
      """
    let evaluated = try Program.run(
      ["sh", "-c", script], environment: ["SOFTDAX_PRELOAD=\(path)/shim.so"])
    #expect(evaluated.status == 0, "\(evaluated.all)")
    #expect(evaluated.out == "\(path)/shim.so\n", "\(evaluated.all)")
  }

  // MARK: This host

  /// Catches a mechanism that is not tried, or a failure without a word on what to do.
  @Test func `check lists every mechanism, and says what to do about what is missing`() throws {
    let output = try Softdax.tool(["check", "--json"])
    let report = try #require(try json(output.out) as? [String: Any])
    #expect(output.status == (report["can_run"] as? Bool == true ? 0 : 1), "\(output.all)")
    let items = try #require(report["items"] as? [[String: Any]])
    let names = items.compactMap { $0["name"] as? String }
    for name in [
      "userfaultfd", "userfaultfd-full", "userfaultfd-user-mode", "userfaultfd-device",
      "minor-shmem", "minor-hugetlbfs", "event-remap", "memfd", "insertion", "hugetlb-2m",
      "hugetlb-1g", "map-sync", "memory-failure", "dev-dax", "preload", "preload-exec",
      "libdaxctl",
    ] { #expect(names.contains(name), "\(name)") }
    // Without one of these the server refuses to start.
    for name in [
      "minor-shmem", "minor-hugetlbfs", "missing-shmem", "missing-hugetlbfs", "event-remap",
    ] {
      let item = try #require(items.first { $0["name"] as? String == name }, "\(name)")
      #expect(item["is_needed"] as? Bool == true, "\(item)")
    }
    for item in items
    where item["state"] as? String == "missing" && item["is_needed"] as? Bool == true {
      #expect(item["remedy"] is String, "\(item)")
    }
    let text = try Softdax.tool(["check"])
    #expect(text.status == output.status)
    for name in names { #expect(text.out.contains(name)) }
    #expect(try Softdax.tool(["check", "--require", "memfd"]).status == 0)
    if let missing = items.first(where: { $0["state"] as? String == "missing" }),
      let name = missing["name"] as? String
    {
      let required = try Softdax.tool(["check", "--require", name])
      #expect(required.status == 77)
      #expect(isOneLine(required), "\(required.all)")
      #expect(required.err.contains("\(name) is missing: "))
    }
  }

  /// Catches a baseline that measures nothing.
  @Test func `bench insert measures the C side alone, in JSON`() throws {
    let output = try Program.run(
      [
        Project.softdax, "bench", "insert", "--baseline", "--repetitions", "1", "--pages", "256",
        "--json",
      ])
    let report = try #require(try json(output.out) as? [String: Any], "\(output.all)")
    let rows = try #require(report["rows"] as? [[String: Any]])
    #expect(rows.count >= 4)
    for row in rows {
      let side = try #require(row["baseline"] as? [String: Any])
      #expect((side["p50"] as? Double ?? 0) > 0, "\(row)")
      #expect(row["softdax"] == nil)
    }
    #expect(report["descriptor_bytes"] == nil)
  }
}
