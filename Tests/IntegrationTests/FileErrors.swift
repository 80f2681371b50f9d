import LinuxSys
import SystemPackage
import TestSupport
import Testing

/// Memory errors in files of a mount, as programs meet them: `file-error` injects them with the command of a user, and says in one line what
/// it found wrong.
@Suite(.serialized, .enabled(if: canMount, "mounting needs root and /dev/fuse"))
struct `Memory errors in files` {
  private func run(_ name: String, _ options: [String] = []) throws -> Program.Output {
    let ground = try Ground()
    return try Softdax.run(
      ["--fs", ground.mount, "--size", "64m"] + options,
      [
        "bash", "-c",
        "cd \(ground.mount); exec \(Project.program("file-error")) \(name) \(Project.softdax)",
      ])
  }

  /// Catches a wrong code, address or lsb; a page that others still show; an error told to who does not have it, or not to who does, by
  /// whatever file; a private copy that is hit; a bad block that is read, or stays bad when it is written over, cut off or punched out;
  /// an error that one can avoid by blocking SIGBUS; a filesystem that goes on without its own blocks.
  /// The second time as on a host whose kernel has no UFFDIO_POISON.
  @Test(
    arguments: [
      "touch", "die", "owners", "private", "shapes", "huge", "advice", "shutdown", "copied",
    ], [[], ["--without-markers"]])
  func `are what they are on a kernel with DAX`(name: String, options: [String]) throws {
    let output = try run(name, options)
    #expect(output.status == 0, "\(name): \(output.all)")
  }
}
