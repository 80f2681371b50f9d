internal import Foundation
import TestSupport
import Testing

/// Scenarios by real processes under the shim, next to what real kernels showed.
@Suite(.serialized) struct `Live scenarios` {
  private static let data = Project.root + "/Tests/ScenarioData"
  private static let scenarios = data + "/scenarios"

  private static func files(_ isWanted: (String) -> Bool) throws -> [String] {
    let all = try FileManager.default.contentsOfDirectory(atPath: scenarios)
    return all.filter(isWanted).sorted().map { scenarios + "/" + $0 }
  }

  private static func run(_ kernel: String, _ files: [String]) throws -> Program.Output {
    try Program.run(
      [Project.softdax, "scenario", "run", "--live", "--kernel", kernel] + files)
  }

  /// What the judge says of rows, as it says it to users.
  private static func judge(_ rows: String, _ options: [String]) throws -> Program.Output {
    let folder = try Scratch()
    let file = folder.path + "/rows.jsonl"
    try rows.write(toFile: file, atomically: false, encoding: .utf8)
    return try Program.run(
      [data + "/compare.py", data + "/truth.jsonl", file] + options)
  }

  /// Catches whatever a program can see of a device or of a page that fails and no real kernel shows.
  @Test(arguments: ["7.2", "6.12", "6.1"])
  func `processes see on devices what they see on a real kernel`(kernel: String) throws {
    let all = kernel == "7.2"
    let files = try Self.files { name in
      name.hasPrefix("devdax-") && (all || name.hasPrefix("devdax-4k-"))
    }
    #expect(files.count >= (all ? 40 : 18))
    let rows = try Self.run(kernel, files)
    #expect(rows.status == 0, "\(rows.all)")
    let verdict = try Self.judge(rows.out, ["-k", kernel, "-n", all ? "^devdax-" : "^devdax-4k-"])
    #expect(verdict.status == 0, "\(verdict.all)")
    #expect(verdict.out.contains("(0 not run)"), "\(verdict.all)")
    // A judge that lets everything pass would have let this pass.
    let other = rows.out.replacing("\"code\": \"BUS_MCEERR_AR\"", with: "\"code\": \"BUS_ADRERR\"")
    #expect(try Self.judge(other, ["-k", kernel, "-n", "^devdax-"]).status == 1)
  }

  /// Catches whatever a program can see of a file on the mount whose page fails, of a clone of it, of a filesystem that loses its own
  /// blocks, and no real kernel shows; scenarios that are left out for another reason than the ones in docs/scenarios.md.
  @Test(
    .enabled(if: canMount, "mounting needs root and /dev/fuse"), arguments: ["7.2", "6.12", "6.1"])
  func `processes see in files what they see on a real kernel`(kernel: String) throws {
    let prefixes =
      kernel == "7.2"
      ? ["xfs-", "ext4-"]
      : ["xfs-reflink", "xfs-mce", "xfs-unbind", "xfs-shutdown-unbind", "ext4-"]
    let wanted = "^(" + prefixes.joined(separator: "|") + ")"
    let files = try Self.files {
      $0.range(of: wanted, options: .regularExpression) != nil
    }
    let rows = try Self.run(kernel, files)
    #expect(rows.status == 0, "\(rows.all)")
    let verdict = try Self.judge(rows.out, ["-k", kernel, "-n", wanted])
    #expect(verdict.status == 0, "\(verdict.all)")
    #expect(verdict.out.contains("(0 not run"), "\(verdict.all)")
    let lines = rows.out.split(separator: "\n")
    let reasons = [
      "which is the host's own memory", "is not run on this host", "has the copies only",
      "a live machine's stays as it is", "its device stays", "is no device of the machine",
      "becomes known by sectors", "a redirection into a file", "only its own tools can tell",
    ]
    for line in lines where line.contains("\"skipped\": ") {
      #expect(reasons.contains { line.contains($0) }, "\(line)")
    }
    #expect(lines.count { !$0.contains("\"skipped\": ") } >= (kernel == "7.2" ? 68 : 20))
  }

  /// Catches a setting that a shell line makes on the host, or nowhere; a machine that goes on after its kernel has given up.
  @Test func `settings are the machine's, and one of them stops it`() throws {
    let files = try Self.files { $0.hasPrefix("sysctl-") }
    let rows = try Self.run("7.2", files)
    #expect(rows.status == 0, "\(rows.all)")
    let verdict = try Self.judge(rows.out, ["-k", "7.2", "-n", "^sysctl-"])
    #expect(verdict.status == 0, "\(verdict.all)")
    let lines = rows.out.split(separator: "\n")
    #expect(lines.filter { $0.contains("\"guest_died\": true") }.count == 1, "\(rows.out)")
  }

  /// Catches a scenario that is left out without a word, or a host that is changed by its shell lines.
  @Test func `what a host cannot do is said, and not done`() throws {
    let folder = try Scratch()
    let script = folder.path + "/own.scn"
    let mark = folder.path + "/mark"
    try "# own devdax\n- proc A\n- sh echo x > \(mark)\n- sync\n".write(
      toFile: script, atomically: false, encoding: .utf8)
    let rows = try Self.run("7.2", [Self.scenarios + "/xfs-private-cow-madv.scn", script])
    #expect(rows.status == 0, "\(rows.all)")
    let lines = rows.out.split(separator: "\n")
    #expect(lines.count == 2 && lines.allSatisfy { $0.contains("\"skipped\": ") }, "\(rows.all)")
    #expect(rows.all.contains("0 carried out, 2 not"), "\(rows.all)")
    #expect(!FileManager.default.fileExists(atPath: mark))
  }
}
