internal import TestSupport
internal import Testing

@Suite struct `softdax scenario` {
  private static let poison = Project.root + "/Tests/ScenarioData/scenarios/devdax-2m-hwp-self.scn"

  /// Catches rows that the judge cannot read, or that do not say which kernel they are of.
  @Test func `run prints a row for each file`() throws {
    let result = try Softdax.tool(["scenario", "run", "--kernel", "6.12", Self.poison, Self.poison])
    #expect(result.status == 0, "\(result.all)")
    let lines = result.out.split(separator: "\n")
    #expect(lines.count == 2)
    let beginning =
      "{\"name\": \"devdax-2m-hwp-self\", \"kernel\": \"6.12\", \"group\": \"devdax\", "
    #expect(lines.allSatisfy { $0.hasPrefix(beginning) }, "\(result.all)")
  }

  /// Catches explanations without the rule, or without the counts.
  @Test func `explain names the kernel's function and the counts`() throws {
    let result = try Softdax.tool(["scenario", "explain", Self.poison])
    #expect(result.status == 0, "\(result.all)")
    #expect(result.out.contains("kill_proc: A: thread A is current: BUS_MCEERR_AR"))
    #expect(result.out.contains("refcount 2, mapcount 1"))
  }

  /// Catches an error whose place an editor cannot find.
  @Test func `bad text is one line that begins with file and line`() throws {
    let result = try Program.run([
      "sh", "-c",
      "f=$(mktemp); printf '# a devdax\\nA rd m0\\n' > $f; \(Project.softdax) scenario run $f; s=$?;"
        + " echo $f; rm $f; exit $s",
    ])
    #expect(result.status == 1, "\(result.all)")
    let file = result.out.split(separator: "\n").last ?? ""
    #expect(result.all.contains("\(file):2: expected an offset\n"), "\(result.all)")
  }
}
