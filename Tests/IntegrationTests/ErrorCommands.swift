internal import Foundation
internal import TestSupport
import Testing

/// The commands that break devices and tell what comes of it, as a user types them, with a program that meets the errors.
@Suite(.serialized) struct `Commands for errors` {
  private func steps(_ pages: Int, _ words: String...) -> [String] {
    [Project.program("error-steps"), "/dev/dax0.0", "\(pages)"] + words
  }

  private func service(_ options: String...) throws -> Service {
    try Service(["--size", "4M", "--align", "4k"] + options)
  }

  private func object(_ text: some StringProtocol) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(text)")
  }

  private func list(_ text: String) throws -> [[String: Any]] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]], "\(text)")
  }

  private func tool(_ service: Service, _ words: String...) throws -> Program.Output {
    try Softdax.tool(words + ["--socket", service.socket])
  }

  private func folio(_ service: Service, _ page: Int) throws -> [String: Any] {
    let output = try tool(service, "owners", "dax0.0", "--page", "\(page)", "--json")
    #expect(output.status == 0, "\(output.all)")
    return try #require((try object(output.out)["folios"] as? [[String: Any]])?.first)
  }

  // MARK: inject-error, clear-errors, scrubs

  /// Catches a list that is not ndctl's, an injection that stays, a bad block that goes with it.
  @Test func `an injection is listed, and can be taken back with its bytes`() throws {
    let service = try service()
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "8", "-n", "8").status == 0)
    let listed = try object(try tool(service, "inject-error", "dax0.0", "-t").out)
    #expect((listed["badblocks"] as? [[String: Int]]) == [["block": 8, "count": 8]])
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "8", "-n", "8", "-d").status == 0)
    let none = try object(try tool(service, "inject-error", "dax0.0", "-t").out)
    #expect((none["badblocks"] as? [Any])?.isEmpty == true)
    #expect(try folio(service, 1)["bad_blocks"] as? [[String: Int]] == [["block": 8, "count": 8]])
    let program = try service.run(steps(4, "handle", "touch"))
    #expect(program.out.isEmpty, "\(program.all)")
    #expect(try tool(service, "clear-errors", "dax0.0").status == 0)
    #expect((try folio(service, 1)["bad_blocks"] as? [Any])?.isEmpty == true)
    #expect(try service.stop().status == 0)
  }

  /// Catches -N that tells, and a scrub that finds nothing or is not counted.
  @Test func `what nobody was told of is found by a scrub`() throws {
    let service = try service()
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "8", "-N").status == 0)
    #expect((try folio(service, 1)["bad_blocks"] as? [Any])?.isEmpty == true)
    let before = try object(try tool(service, "wait-scrub").out)["scrubs"] as? Int ?? -1
    let scrub = try object(try tool(service, "start-scrub").out)
    #expect(scrub["scrub_state"] as? String == "idle")
    #expect(scrub["scrubs"] as? Int == before + 1)
    #expect(try object(try tool(service, "wait-scrub").out)["scrubs"] as? Int == before + 1)
    #expect(try folio(service, 1)["bad_blocks"] as? [[String: Int]] == [["block": 8, "count": 1]])
    #expect(try service.stop().status == 0)
  }

  /// Catches an error that comes at once, early, late, or twice.
  @Test func `an error can wait for a fault`() throws {
    let service = try service()
    let armed = try tool(
      service, "inject-error", "dax0.0", "-B", "0", "-n", "8", "--after", "3")
    #expect(armed.status == 0, "\(armed.all)")
    #expect(
      try object(try tool(service, "inject-error", "dax0.0", "-t").out)["badblocks"] as? [Int] == []
    )
    // Page 0 is there before; the third fault breaks it, so the second round meets it.
    let program = try service.run(steps(2, "handle", "touch", "touch"))
    #expect(program.out.isEmpty, "\(program.all)")
    let second = try service.run(steps(2, "handle", "touch", "touch"))
    #expect(second.out.components("error page 0") == 2, "\(second.all)")
    #expect(try service.stop().status == 0)
  }

  /// Catches an error that waits unseen, one that is told to come later than it does, and one that comes although it was taken back.
  @Test func `an error that waits is listed, and can be taken back`() throws {
    let service = try service()
    func waiting() throws -> [[String: Any]] {
      let status = try object(try tool(service, "inject-error", "dax0.0", "-t").out)
      #expect((status["badblocks"] as? [Any])?.isEmpty == true)
      return status["waiting"] as? [[String: Any]] ?? []
    }
    for (block, after) in [("0", "5"), ("8", "6")] {
      let armed = try tool(
        service, "inject-error", "dax0.0", "-B", block, "-n", "8", "--as", "latent", "--after",
        after)
      #expect(armed.status == 0, "\(armed.all)")
    }
    #expect(try waiting().map { $0["block"] as? Int } == [0, 8])
    #expect(try service.run(steps(2, "handle", "touch")).out.isEmpty)
    #expect(try waiting().map { $0["after"] as? Int } == [3, 4])
    #expect(
      try waiting().allSatisfy { $0["as"] as? String == "latent" && $0["count"] as? Int == 8 })
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "0", "-n", "8", "-d").status == 0)
    #expect(try waiting().map { $0["block"] as? Int } == [8])
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "8", "-n", "8", "-d").status == 0)
    #expect(try waiting().isEmpty)
    #expect(try service.run(steps(16, "handle", "touch", "touch")).out.isEmpty)
    #expect(try service.stop().status == 0)
  }

  /// Catches a signal that goes to nobody, with the wrong code, or to a program that did not consume.
  @Test func `a process can be made to consume the error`() throws {
    let service = try service()
    let program = try service.start(steps(4, "handle", "wait"), holdsInput: true)
    #expect(program.waitForOutput("ready"))
    let mappers = try #require(try folio(service, 2)["mappers"] as? [[String: Any]])
    #expect(mappers.count == 1 && mappers[0]["present"] as? Bool == false)
    let pid = try #require(mappers[0]["pid"] as? Int)
    for kind in ["poison", "machine-check"] {
      let injected = try tool(
        service, "inject-error", "dax0.0", "-B", "16", "--as", kind, "--pid", "\(pid)")
      #expect(injected.status == 0, "\(injected.all)")
    }
    try program.sendLine()
    let output = try program.wait()
    #expect(output.out == "ready\nsignal code 4 page 2\nsignal code 4 page 2\n", "\(output.all)")
    #expect(try service.stop().status == 0)
  }

  /// Catches a dry run that does something, or tells other than what then happens.
  @Test func `a dry run tells the kill list and changes nothing`() throws {
    let service = try service()
    let program = try service.start(
      steps(4, "early", "handle", "touch", "wait", "wait"), holdsInput: true)
    #expect(program.waitForOutput("ready"))
    let words = [
      "inject-error", "dax0.0", "-B", "8", "--as", "machine-check", "--socket", service.socket,
    ]
    let dry = try #require(try list(try Softdax.tool(words + ["--dry-run"]).out).first)
    let signals = try #require(dry["signals"] as? [[String: Any]])
    #expect(signals.count == 1, "\(dry)")
    #expect(signals[0]["code"] as? String == "BUS_MCEERR_AO")
    #expect(signals[0]["lsb"] as? Int == 12)
    #expect(dry["unmapped"] as? Int == 4096)
    let owners = try folio(service, 1)
    let mappers = try #require(owners["mappers"] as? [[String: Any]])
    #expect(signals[0]["address"] as? String == mappers[0]["address"] as? String)
    #expect(mappers[0]["policy"] as? String == "early")
    #expect(owners["mapcount"] as? Int == 1)
    let list = try #require((owners["machine_check"] as? [[String: Any]])?.first)
    #expect(list["kernels"] as? [String] == ["6.1", "6.12", "7.2"])
    #expect((list["signals"] as? [Any])?.count == 1)
    // Of a media error nobody is told now.
    let media = try tool(service, "inject-error", "dax0.0", "-B", "8", "--dry-run")
    #expect(try self.list(media.out).first?["outcome"] as? String == "later", "\(media.all)")
    #expect(
      try object(try tool(service, "inject-error", "dax0.0", "-t").out)["badblocks"] as? [Int] == []
    )
    try program.sendLine()
    #expect(program.waitForOutput("ready\nready"))
    #expect(!program.printed.contains("signal"), "\(program.printed)")
    #expect(try Softdax.tool(words).status == 0)
    #expect(program.waitForOutput("signal code 5 page 1"))
    try program.sendLine()
    #expect(try program.wait().status == 0)
    #expect(try service.stop().status == 0)
  }

  // MARK: Rules of a run

  /// Catches a rule that fires a fault early or late, after its page is visible, in another page, or not again the same.
  @Test func `rules break the page of the n-th fault, an offset, or one of a seed`() throws {
    func run(_ rule: String, _ words: String...) throws -> String {
      let output = try Softdax.run(
        ["--size", "64k", "--align", "4k", "--inject", rule],
        [Project.program("error-steps"), "/dev/dax0.0", "16"] + words)
      #expect(output.status == 0, "\(rule): \(output.all)")
      return output.out
    }
    #expect(try run("fault=3", "handle", "touch") == "signal code 4 page 2\nerror page 2\n")
    #expect(
      try run("fault=16,as=poison", "handle", "touch", "touch")
        == "signal code 4 page 15\nerror page 15\n")
    // The page was there before the fault; in the first round it can be read.
    #expect(
      try run("fault=9,offset=0x3000,as=latent", "handle", "touch", "touch")
        == "signal code 4 page 3\nerror page 3\n")
    #expect(try run("offset=4096,as=media", "handle", "touch").hasSuffix("error page 1\n"))
    #expect(try run("fault=17", "handle", "touch", "touch") == "")
    let seven = try run("page=random,seed=7", "handle", "touch")
    #expect(seven.components("error page") == 1, "\(seven)")
    #expect(try run("page=random,seed=7", "handle", "touch") == seven)
    #expect(try run("page=random,seed=8", "handle", "touch") != seven)
    #expect(
      try run("time=100ms,offset=0x5000,as=latent", "handle", "until").hasSuffix("error page 5\n"))
  }

  // MARK: --expect

  /// Catches a status that takes one outcome for another.
  @Test(arguments: [
    (["handle", "touch"], 0, "handled its memory errors"),
    (["handle", "touch", "exit=3"], 3, "handled its memory errors"),
    (["touch"], 135, "died of a memory error"),
    (["handle"], 120, "met no memory error"),
    (["exit=4"], 120, "ended with status 4 and met no memory error"),
  ])
  func `the exit status says what the program made of its errors`(
    words: [String], status: Int, text: String
  ) throws {
    let output = try Softdax.run(
      ["--size", "64k", "--align", "4k", "--inject", "fault=2", "--expect=sigbus"],
      [Project.program("error-steps"), "/dev/dax0.0", "16"] + words)
    #expect(Int(output.status) == status, "\(output.all)")
    #expect(output.err.components("\n") == 1 && output.err.contains(text), "\(output.all)")
  }

  /// Catches an ignored signal that counts as handled, or as none.
  @Test func `a program that ignores what it is told is a case of its own`() throws {
    let output = try Softdax.run(
      [
        "--size", "64k", "--align", "4k", "--inject", "fault=9,offset=0,as=poison",
        "--expect=sigbus",
      ], steps(16, "early", "ignore", "touch"))
    #expect(output.status == 121, "\(output.all)")
    #expect(output.err.contains("neither handled"), "\(output.all)")
  }

  // MARK: monitor

  private func events(_ monitor: Program) throws -> [[String: Any]] {
    try monitor.wait().out.split(separator: "\n").map { try object($0) }
  }

  /// Catches events that are lost, out of order, or without what belongs to them.
  @Test func `monitor shows inject, signal, handled and clear in their order`() throws {
    let service = try service()
    let program = try service.start(
      steps(4, "early", "handle", "touch", "wait"), holdsInput: true)
    #expect(program.waitForOutput("ready"))
    let monitor = try Program([
      Project.softdax, "monitor", "--type", "inject,signal,handled,clear", "--count", "4",
      "--socket", service.socket,
    ])
    #expect(monitor.waitForOutput("watching"))
    #expect(
      try tool(service, "inject-error", "dax0.0", "-B", "8", "-n", "8", "--as", "machine-check")
        .status == 0)
    #expect(program.waitForOutput("signal code 5"))
    #expect(try tool(service, "clear-errors", "dax0.0").status == 0)
    let events = try events(monitor)
    #expect(
      events.map { $0["type"] as? String } == ["watching", "inject", "signal", "handled", "clear"],
      "\(events)")
    let times = events.dropFirst().compactMap { $0["time"] as? Double }
    #expect(times.count == 4 && times == times.sorted())
    let numbers = events.dropFirst().compactMap { $0["sequence"] as? Int }
    #expect(numbers == numbers.sorted() && Set(numbers).count == 4)
    #expect(events[1]["device"] as? String == "dax0.0")
    #expect(events[1]["as"] as? String == "machine-check")
    #expect(events[1]["pfn"] as? Int == 1 && events[1]["length"] as? Int == 4096)
    for event in events[2...3] {
      #expect(event["code"] as? String == "BUS_MCEERR_AO" && event["lsb"] as? Int == 12)
      #expect(event["comm"] as? String == "error-steps")
    }
    #expect(events[2]["pid"] as? Int == events[3]["pid"] as? Int)
    #expect(events[2]["address"] as? String == events[3]["address"] as? String)
    try program.sendLine()
    #expect(try program.wait().status == 0)
    #expect(try service.stop().status == 0)
  }

  /// Catches page events that are missing, a death that is not told, and a watcher that outlives its server.
  @Test func `monitor shows pages that come and go, and who dies`() throws {
    let service = try service()
    let monitor = try Program([
      Project.softdax, "monitor", "--socket", service.socket,
    ])
    #expect(monitor.waitForOutput("watching"))
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "16", "-N").status == 0)
    let program = try service.run(steps(4, "touch"))
    #expect(program.status == 135, "\(program.all)")
    #expect(monitor.waitForOutput("\"end\""))
    #expect(try service.stop().status == 0)
    let events = try events(monitor)
    let kinds = events.compactMap { $0["type"] as? String }
    for kind in ["fault", "insert", "inject", "failure", "verdict", "signal", "bad-blocks", "zap"] {
      #expect(kinds.contains(kind), "\(kind): \(kinds)")
    }
    let inserted = events.filter { $0["type"] as? String == "insert" }
    #expect(inserted.map { $0["pfn"] as? Int } == [0, 1], "\(inserted)")
    let fatal = try #require(events.first { $0["type"] as? String == "fatal" }, "\(kinds)")
    #expect(fatal["signal"] as? Int == 7)
  }

  /// Catches lines for people that are JSON, or none.
  @Test func `monitor has lines for people`() throws {
    let service = try service()
    let monitor = try Program([
      Project.softdax, "monitor", "-u", "--count", "1", "--socket", service.socket,
    ])
    #expect(monitor.waitForOutput("watching"))
    #expect(try tool(service, "inject-error", "dax0.0", "-B", "8").status == 0)
    let output = try monitor.wait()
    #expect(output.status == 0)
    #expect(output.out.contains(" inject device dax0.0 pfn 1 offset 4096"), "\(output.all)")
    #expect(try service.stop().status == 0)
  }

  /// Catches a server that is said to be gone while it waits for a stopped program, and questions that wait with it. The file's pages are taken
  /// away by the program's agent.
  @Test func `who waits for a stopped program is told so, and who asks waits for nobody`() throws {
    let folder = try Scratch(in: "/var/tmp")
    let service = try Service(["--device", "size=4M,align=4k,medium=\(folder.path)/pmem"])
    let program = try service.start(steps(2, "handle", "touch", "wait", "touch"), holdsInput: true)
    #expect(program.waitForOutput("ready"))
    let mappers = try #require(try folio(service, 1)["mappers"] as? [[String: Any]])
    let process = "\(try #require(mappers.first?["pid"] as? Int))"
    #expect(try Program.run(["kill", "-STOP", process]).status == 0)
    let waiting = try tool(service, "inject-error", "dax0.0", "-B", "8", "-n", "8")
    #expect(waiting.status == 1 && waiting.err.contains("kill -CONT \(process)"), "\(waiting.all)")
    let listed = try tool(service, "inject-error", "dax0.0", "-t")
    #expect(try object(listed.out)["badblocks"] as? [Int] == [], "\(listed.all)")
    #expect(try folio(service, 1)["mapcount"] as? Int == 1)
    #expect(
      try tool(service, "inject-error", "dax0.0", "-B", "8", "--as", "poison", "--dry-run").status
        == 0)
    #expect(try Program.run(["kill", "-CONT", process]).status == 0)
    #expect(
      eventually {
        (try? tool(service, "inject-error", "dax0.0", "-t"))?.out.contains("\"count\"") == true
      })
    try program.sendLine()
    #expect(try program.wait().out.contains("error page 1"))
    #expect(try service.stop().status == 0)
  }

  // MARK: Bad input

  /// Catches errors that look like success, changes made nevertheless, and messages that do not help.
  @Test func `bad input is refused in one line and changes nothing`() throws {
    let service = try service()
    let program = try service.start(steps(1, "handle", "wait"), holdsInput: true)
    #expect(program.waitForOutput("ready"))
    let pid = "\(program.identifier)"
    for (words, status, line) in [
      (["inject-error", "dax0.0"], 64, "--block"),
      (["inject-error", "dax0.0", "-B", "8192"], 1, "8192 sectors"),
      (["inject-error", "dax0.0", "-B", "8191", "-n", "2"], 1, "8192 sectors"),
      (["inject-error", "dax0.0", "-B", "8191", "-n", "2", "--dry-run"], 1, "8192 sectors"),
      (["inject-error", "dax0.0", "-B", "18446744073709551615"], 1, "8192 sectors"),
      (["inject-error", "dax0.0", "-B", "8", "-n", "0"], 64, "--count is 1 or more"),
      (["inject-error", "dax7.0", "-B", "8"], 1, "no device dax7.0"),
      (["inject-error", "dax0.0", "-B", "8", "--as", "smoke"], 64, "--as smoke"),
      (["inject-error", "dax0.0", "-B", "8", "--as", "poison", "-N"], 64, "leave out one"),
      (["inject-error", "dax0.0", "-B", "8", "--after", "0"], 64, "counts faults"),
      (["inject-error", "dax0.0", "-B", "8", "-d", "-t"], 64, "ask for one"),
      (["inject-error", "dax0.0", "-B", "8", "-t"], 64, "leave out --block"),
      (["inject-error", "dax0.0", "-B", "8", "--pid", pid], 64, "whoever touches it"),
      (
        ["inject-error", "dax0.0", "-B", "8", "--as", "poison", "--pid", "1"], 1,
        "process 1 has no device"
      ),
      (["inject-error", "dax0.0", "-B", "-1"], 64, "-B -1"),
      (["inject-error", "dax0.0", "-B", "8", "-d", "--as", "media"], 64, "how sectors break"),
      (["inject-error", "dax0.0", "-t", "-N"], 64, "how sectors break"),
      (["clear-errors", "dax0.0", "-B", "9000"], 1, "8192 sectors"),
      (["clear-errors", "dax9.0"], 1, "no device dax9.0"),
      (["owners", "dax0.0"], 64, "Give one of --page"),
      (["owners", "dax0.0", "--fs", "/", "--page", "1"], 64, "an emulated device, or"),
      (["owners", "dax0.0", "--page", "1024"], 1, "are not all on dax0.0"),
      (["owners", "dax0.0", "--range", "8k-4k"], 1, "no byte is in it"),
      (["monitor", "--type", "weather"], 64, "--type weather"),
      (["monitor", "--type", ""], 64, "--type : use some of"),
      (["monitor", "--count", "0"], 64, "--count is 1 or more"),
    ] {
      let output = try Softdax.tool(words + ["--socket", service.socket])
      #expect(Int(output.status) == status, "\(words): \(output.all)")
      #expect(
        output.err.contains(line) && output.err.components("\n") == 1, "\(words): \(output.all)")
    }
    // A page that the workload's window does not show.
    let owners = try #require(try folio(service, 0)["mappers"] as? [[String: Any]])
    let process = try #require(owners.first?["pid"] as? Int)
    let outside = try tool(
      service, "inject-error", "dax0.0", "-B", "8", "--as", "poison", "--pid", "\(process)")
    #expect(outside.status == 1 && outside.err.contains("maps nothing"), "\(outside.all)")
    #expect(
      try object(try tool(service, "inject-error", "dax0.0", "-t").out)["badblocks"] as? [Int] == []
    )
    try program.sendLine()
    #expect(try program.wait().out == "ready\n")
    #expect(try service.stop().status == 0)
  }

  /// Catches a run that begins although its rule cannot be followed.
  @Test(arguments: [
    ("offset=1g", "128 sectors"), ("fault=0,offset=0", "counted from 1"),
    ("offset=0,as=poison", "EBUSY"), ("offset=0,device=dax8.0", "no device dax8.0"),
    ("page=random", "seed=N"),
  ])
  func `a rule that cannot be followed ends the run before it begins`(rule: String, line: String)
    throws
  {
    let output = try Softdax.run(
      ["--size", "64k", "--align", "4k", "--inject", rule], ["echo", "begun"])
    #expect(output.status == 125 && output.out.isEmpty, "\(output.all)")
    #expect(output.err.contains(line) && output.err.components("\n") == 1, "\(output.all)")
  }
}
