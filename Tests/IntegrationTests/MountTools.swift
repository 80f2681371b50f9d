internal import Foundation
internal import TestSupport
import Testing

/// A server whose only device is mounted, and its tools.
struct Mounted {
  let ground: Ground
  let service: Service

  init(_ options: String...) throws {
    ground = try Ground()
    service = try Service(["--fs", ground.mount, "--size", "64m"] + options)
  }

  func shell(_ script: String) throws {
    let output = try service.run(["bash", "-c", "set -e; cd \(ground.mount); \(script)"])
    #expect(output.status == 0, "\(output.all)")
  }

  func start(_ file: String, _ steps: String...) throws -> Program {
    let program = try service.start(
      [Project.program("error-steps"), "\(ground.mount)/\(file)", "4"] + steps + ["wait"],
      holdsInput: true)
    #expect(program.waitForOutput("ready"))
    return program
  }

  func tool(_ words: String...) throws -> Program.Output {
    let output = try Softdax.tool(words + ["--socket", service.socket])
    #expect(output.status == 0, "\(output.all)")
    return output
  }

  func owners(_ words: String...) throws -> Program.Output {
    let output = try Softdax.tool(["owners", "pmem0"] + words + ["--socket", service.socket])
    #expect(output.status == 0, "\(output.all)")
    return output
  }

  func folio(_ words: String...) throws -> [String: Any] {
    let output = try Softdax.tool(
      ["owners", "pmem0", "--json"] + words + ["--socket", service.socket])
    let all = try JSONSerialization.jsonObject(with: Data(output.out.utf8)) as? [String: Any]
    return try #require((all?["folios"] as? [[String: Any]])?.first, "\(output.all)")
  }

  func end(_ programs: Program...) throws {
    for program in programs {
      try program.sendLine()
      let output = try program.wait()
      #expect(output.status == 0, "\(output.all)")
    }
    #expect(try service.stop().status == 0)
  }
}

/// The tools of devices, on the device of a mounted filesystem.
@Suite(.serialized, .enabled(if: canMount, "mounting needs root and /dev/fuse"))
struct `Tools of a mount's device` {
  private func json(_ text: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(text.utf8))
  }

  private func device(_ mounted: Mounted, _ options: String...) throws -> [String: Any] {
    let output = try Softdax.tool(
      ["list", "-u", "-v", "-d", "pmem0", "--socket", mounted.service.socket] + options)
    return try #require(try json(output.out) as? [String: Any], "\(output.all)")
  }

  /// Catches a device that no list has, and one that is taken for a character device.
  @Test func `list has it, by its name and by its directory`() throws {
    let mounted = try Mounted()
    let all = try #require(try json(try mounted.tool("list").out) as? [[String: Any]])
    #expect(all.map { $0["blockdev"] as? String } == ["pmem0"])
    #expect(all[0]["chardev"] == nil && all[0]["mode"] as? String == "fsdax")
    #expect(all[0]["size"] as? Int == 64 << 20)
    let human = try mounted.tool("list", "-u").out
    let one = try #require(try json(human) as? [String: Any])
    #expect(one["size"] as? String == "64.00 MiB (67.11 MB)")
    #expect(one["mountpoint"] as? String == mounted.ground.mount)
    #expect(try mounted.tool("list", "-u", "-d", mounted.ground.mount).out == human)
    #expect(try mounted.tool("list", "-d", "dax0.0").out.isEmpty)
    try mounted.end()
  }

  /// Catches counts of other pages, pins that are not shown, and a scrub that passes a mount over.
  @Test func `pages shows counts and pins, and a scrub finds what is bad`() throws {
    let mounted = try Mounted()
    try mounted.shell("head -c 16384 /dev/urandom > pool")
    let holder = try mounted.start("pool", "touch")
    let page = try #require(try mounted.folio("--file", "pool@0x2000")["pfn"] as? Int)
    func pages() throws -> [[String: Any]] {
      let output = try mounted.tool(
        "pages", "pmem0", "--first", "\(page)", "--count", "1", "--json")
      return try #require(try json(output.out) as? [[String: Any]])
    }
    #expect(try pages().map { $0["mapcount"] as? Int } == [1])
    func references() throws -> Int { try pages().first?["refcount"] as? Int ?? -1 }
    let before = try references()
    // A pin of a small folio is 1024 references: GUP_PIN_COUNTING_BIAS.
    try mounted.shell("\(Project.softdax) pin pool@0x2000")
    #expect(try references() == before + 1024)
    try mounted.shell("\(Project.softdax) unpin pool")
    #expect(try references() == before)
    _ = try mounted.tool("inject-error", "pmem0", "--file", "pool@0x2000", "-N")
    #expect((try mounted.folio("--page", "\(page)")["bad_blocks"] as? [Any])?.isEmpty == true)
    _ = try mounted.tool("start-scrub")
    #expect(
      try mounted.folio("--page", "\(page)")["bad_blocks"] as? [[String: Int]]
        == [["block": page * 8, "count": 1]])
    _ = try mounted.tool("clear-errors", "pmem0")
    try mounted.end(holder)
  }

  /// Catches faults of files that nobody counts, measures or tells of; one told twice, and a hole that has a page.
  @Test func `faults of files are counted, measured and told`() throws {
    let mounted = try Mounted()
    try mounted.shell("head -c 16384 /dev/urandom > pool; truncate -s 16384 hole")
    let page = try #require(try mounted.folio("--file", "pool@0")["pfn"] as? Int)
    let monitor = try Program([
      Project.softdax, "monitor", "--type", "fault,insert,zap", "--socket", mounted.service.socket,
    ])
    #expect(monitor.waitForOutput("watching"))
    let before = try device(mounted)
    let holder = try mounted.start("pool", "touch")
    let after = try device(mounted)
    #expect((after["faults"] as? Int ?? 0) - (before["faults"] as? Int ?? 0) == 4)
    #expect((after["inserted"] as? Int ?? 0) - (before["inserted"] as? Int ?? 0) == 4)
    let report = try #require(
      try json(try mounted.tool("latency", "pmem0", "--json").out) as? [[String: Any]])
    let figures = try #require(report.first?["latencies"] as? [String: [String: Any]])
    #expect(Set(figures.keys) == ["insert", "lookup", "install"])
    #expect(Set(figures.values.compactMap { $0["count"] as? Int }) == [4])
    try holder.sendLine()
    #expect(try holder.wait().status == 0)
    let other = try mounted.start("hole", "touch")
    // The process of the hole is gone when its last entry is.
    try mounted.end(other)
    _ = try monitor.wait()
    let events = try monitor.printed.split(separator: "\n").dropFirst().map { line in
      try #require(try json(String(line)) as? [String: Any])
    }
    #expect(events.allSatisfy { $0["device"] as? String == "pmem0" && $0["comm"] is String })
    func told(_ type: String, _ pages: Bool) -> [Int] {
      events.filter { $0["type"] as? String == type && ($0["pfn"] != nil) == pages }
        .compactMap { ($0["pfn"] as? Int) ?? -1 }
    }
    for type in ["fault", "insert"] {
      #expect(told(type, true) == Array(page..<page + 4), "\(type): \(monitor.printed)")
      #expect(told(type, false) == [-1, -1, -1, -1], "\(type): \(monitor.printed)")
    }
    let zapped = events.filter { $0["type"] as? String == "zap" && $0["pfn"] != nil }
    #expect(told("zap", true).min() == page, "\(monitor.printed)")
    #expect(zapped.compactMap { $0["length"] as? Int }.reduce(0, +) == 16384, "\(monitor.printed)")
  }

  /// Catches an error that comes at once, early, late or twice, and a rule that knows devices only.
  @Test func `an error can wait for a fault of a file`() throws {
    let mounted = try Mounted()
    try mounted.shell("head -c 16384 /dev/urandom > pool")
    _ = try mounted.tool("inject-error", "pmem0", "--file", "pool@0", "-n", "8", "--after", "3")
    let status = try json(try mounted.tool("inject-error", "pmem0", "-t").out) as? [String: Any]
    #expect((status?["badblocks"] as? [Any])?.isEmpty == true)
    #expect((status?["waiting"] as? [[String: Any]])?.map { $0["after"] as? Int } == [3])
    _ = try mounted.tool("inject-error", "pmem0", "-B", "0", "--after", "1", "--as", "poison")
    _ = try mounted.tool("inject-error", "pmem0", "-B", "0", "-d")
    let holder = try mounted.start("pool", "handle", "touch", "touch")
    // Page 0 is there before; the third fault breaks it, so the second round meets it.
    #expect(holder.printed.components("error page 0") == 1, "\(holder.printed)")
    #expect(holder.printed.components("error page") == 1)
    try mounted.end(holder)

    for (rule, said) in [
      ("fault=3,page=fault,as=latent", "error page 2"),
      ("fault=2,page=fault,as=poison", "signal code 4 page 1"),
      ("fault=4,page=fault,as=media,device=pmem0", "error page 3"),
    ] {
      let ground = try Ground()
      let output = try Softdax.run(
        ["--fs", ground.mount, "--size", "64m", "--inject", rule],
        [
          "bash", "-c",
          "cd \(ground.mount); head -c 16384 /dev/zero > f; exec \(Project.program("error-steps")) f 4 handle touch",
        ])
      #expect(output.status == 0, "\(output.all)")
      #expect(output.out.components(said) == 1, "\(rule): \(output.all)")
      #expect(output.out.components("signal") == 1, "\(rule): \(output.all)")
    }
  }
}
