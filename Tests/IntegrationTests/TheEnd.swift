internal import LinuxSys
internal import TestSupport
import Testing

/// After the last workload has gone nothing is left: no reference, no mapping, no thread, no descriptor.
@Suite(.serialized) struct `The end of a workload` {
  /// What the server holds that could leak.
  private func holdings(_ service: Service) throws -> (threads: Int, descriptors: Int) {
    let process = "/proc/\(service.program.identifier)"
    return (Folder.entries(process + "/task").count, Folder.entries(process + "/fd").count)
  }

  private func idle(_ service: Service) throws -> Bool {
    let pages = try Softdax.tool(["pages", "dax0.0", "--mapped", "--socket", service.socket])
    return pages.out.contains("32 of 32 folios idle")
  }

  /// Catches references kept by a fault that was under way, and threads that wait for a dead process.
  @Test func `SIGKILL in the middle of a fault storm returns every reference`() throws {
    let service = try Service(["--size", "64M"])
    let before = try holdings(service)
    for _ in 0..<5 {
      let storm = try service.start([Project.program("fault-storm"), "/dev/dax0.0"])
      try #require(
        try eventually { try !idle(service) }, "the storm maps nothing: \(storm.complained)")
      let killed = try Program.run([
        "sh", "-c", "kill -KILL $(cat /proc/\(storm.identifier)/task/*/children)",
      ])
      #expect(killed.status == 0, "\(killed.all)")
      let ending = try storm.wait()
      #expect(ending.status == 137, "\(ending.all)")
      // In every round: the next one waits until its own storm has mapped something.
      try #require(try eventually { try idle(service) })
    }
    #expect(try eventually { try holdings(service) == before })
    #expect(try service.stop().status == 0)
  }

  /// Catches anything that grows by one for each workload.
  @Test(.timeLimit(.minutes(20)))
  func `1000 attaches and detaches leave memory and descriptors flat`() throws {
    let service = try Service(["--size", "64M", "--align", "2m"])
    let loop = { (count: Int) in
      """
      i=0; while [ $i -lt \(count) ]; do
        \(Project.program("map-hold")) /dev/dax0.0 0 2097152 </dev/null >/dev/null || exit 1; i=$((i+1)); done
      """
    }
    let before = try holdings(service)
    let first = try service.run(["sh", "-c", loop(200)])
    #expect(first.status == 0, "\(first.all)")
    let residentBefore = ProcessFacts.residentPages(service.program.identifier)
    let rest = try service.run(["sh", "-c", loop(800)])
    #expect(rest.status == 0, "\(rest.all)")
    #expect(try eventually { try holdings(service) == before })
    let grown = ProcessFacts.residentPages(service.program.identifier) - residentBefore
    #expect(grown < 256, "grew by \(grown) pages in 800 rounds")
    #expect(try idle(service))
  }

  /// Catches a run that waits for, or forgets, what its program left behind.
  @Test func `what outlives the program loses its device and is named`() throws {
    let folder = try Scratch()
    let result = try Softdax.run(
      ["--size", "64M"],
      [
        "sh", "-c",
        // Once it says "ready" it has the device mapped.
        """
        setsid \(Project.program("map-hold")) /dev/dax0.0 0 2097152 < /dev/zero > '\(folder.path)/out' &
        echo $! > '\(folder.path)/pid'
        until grep -q ready '\(folder.path)/out'; do sleep 0.01; done
        """,
      ])
    #expect(result.status == 0, "\(result.all)")
    #expect(result.err.contains("still has the device mapped"), "\(result.all)")
    let outlives = try SmallFile.read(folder.path + "/pid").split(separator: "\n")[0]
    // It is there, and goes: nobody else ends it before its alarm.
    #expect(try Program.run(["kill", "-9", String(outlives)]).status == 0)
  }

  /// Catches a workload that hangs, or goes on with pages nobody counts, when its server is gone.
  @Test(arguments: [9, 15] as [Int32], [[], ["--medium", "/var/tmp"]])
  func `a server that goes takes the device along, as unbinding the driver does`(
    signal: Int32, medium: [String]
  ) throws {
    let folder = try Scratch(in: medium.last ?? "/tmp")
    let options = medium.isEmpty ? [] : ["--medium", folder.path + "/pmem"]
    let service = try Service(["--size", "64M"] + options)
    let program = try service.start([Project.program("server-gone"), "/dev/dax0.0"])
    try #require(program.waitForOutput("ready"), "\(program.complained)")
    service.program.send(signal: signal)
    _ = try service.program.wait()
    let ending = try program.wait()
    #expect(ending.status == 0, "\(ending.all)")
  }

  /// Catches arithmetic on a workload's word that traps, waits for ever, or takes memory without end.
  @Test func `a workload that lies hurts only itself`() throws {
    let service = try Service(["--size", "64M"])
    let before = ProcessFacts.residentPages(service.program.identifier)
    let result = try Program.run(
      [Project.program("hostile-workload"), service.socket])
    #expect(result.status == 0, "\(result.all)")
    #expect(try eventually { try idle(service) })
    #expect(ProcessFacts.residentPages(service.program.identifier) - before < 16384)
    #expect(try service.run(["true"]).status == 0)
    #expect(try service.stop().status == 0)
  }

  /// Catches files that nobody removes.
  @Test func `a server that was killed leaves nothing for long`() throws {
    let service = try Service(["--size", "64M"])
    let directory = try Softdax.tool(["env", "--socket", service.socket]).out
      .split(separator: "'").dropFirst(3).first.map(String.init)
    service.program.send(signal: 9)
    _ = try service.program.wait()
    let path = try #require(directory)
    #expect(!Folder.entries(path).isEmpty)
    #expect(try Softdax.run(["--size", "2M"], ["true"]).status == 0)
    #expect(Folder.entries(path).isEmpty)
  }
}
