import LinuxSys
import TestSupport
import Testing

/// `softdax run` is transparent: what the program returns, the caller sees.
@Suite(.serialized) struct `Exit status` {
  /// Catches a status that is lost, or a signal that is reported as an ordinary exit.
  @Test(
    arguments: [
      ("exit 0", 0), ("exit 7", 7), ("exit 125", 125), ("kill -TERM $$", 143),
      ("kill -SEGV $$", 139),
      ("kill -BUS $$", 135),
    ] as [(String, Int32)])
  func `a program's end is the run's end`(script: String, status: Int32) throws {
    let result = try Softdax.run(["--size", "2M"], ["sh", "-c", script])
    #expect(result.status == status, "\(result.all)")
    #expect(result.all.contains("--- out\n\n--- err\n"), "\(result.all)")
  }

  /// Catches a run that dies of a signal meant for its program.
  @Test(arguments: [1, 2, 10, 15] as [Int32])
  func `a signal to the run reaches the program`(signal: Int32) throws {
    let program = try Program([
      // A shell cannot trap what was ignored before it began, as SIGINT is for whoever starts the tests in the background.
      "env", "--default-signal", Project.softdax, "run", "--size", "2M", "--", "sh", "-c",
      "trap 'echo caught; exit 9' HUP INT USR1 TERM; echo ready; while :; do sleep 0.05; done",
    ])
    #expect(program.waitForOutput("ready"))
    program.send(signal: signal)
    let ending = try program.wait()
    #expect(ending.status == 9, "\(ending.all)")
    #expect(ending.out.contains("caught"), "\(ending.all)")
  }

  /// Catches statuses that a script cannot tell from the program's.
  @Test(
    arguments: [
      ("/nonexistent/program", 127), ("no-such-program-anywhere", 127), ("/etc/passwd", 126),
      ("/etc", 126),
    ] as [(String, Int32)])
  func `what cannot be run is 126 or 127, as with env`(program: String, status: Int32) throws {
    let result = try Softdax.run(["--size", "2M"], [program])
    #expect(result.status == status, "\(result.all)")
    #expect(result.err.components("\n") == 1, "\(result.all)")
  }

  /// Catches a shim that is silently not there: then the program would use no device at all, or a real one.
  @Test func `a program that cannot be preloaded is refused, and told why`() throws {
    let folder = try Scratch()
    let built = try Program.run(
      [
        "sh", "-c",
        """
        echo 'int main(void) { return 0; }' > t.c && cc -static -o static t.c && cc -o setuid t.c &&
        chown 65534 setuid && chmod 4755 setuid && printf '#!%s/static\\n' "$PWD" > script && chmod +x script
        """,
      ], in: folder.path)
    try #require(built.status == 0, "\(built.all)")
    for (name, reason) in [
      ("static", "statically linked"), ("script", "statically linked"), ("setuid", "privilege"),
    ] {
      let result = try Softdax.run(["--size", "2M"], ["\(folder.path)/\(name)"])
      #expect(result.status == 126, "\(result.all)")
      #expect(result.err.contains(reason), "\(result.all)")
      #expect(result.err.components("\n") == 1, "\(result.all)")
    }
  }
}
