internal import ArgumentParser
internal import LinuxSys

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find out what works on this host, and what to do about the rest.",
    discussion: """
      Tries each mechanism instead of guessing from versions. Exit status 0 when `softdax run` works here, 1 when it does not; \
      with --require 77 when what was asked for is missing, which test suites take for "skipped".

      Example: softdax check --require hugetlb-2m && make test-huge
      """)

  @Option(
    help: ArgumentHelp(
      "Exit with status 77 unless this works, a name from the list; may be repeated.",
      valueName: "name"))
  var require: [String] = []

  @Flag(help: "JSON.")
  var json = false

  @Flag(
    help: ArgumentHelp("Only print /proc/self/maps: the probe preload-exec.", visibility: .private))
  var maps = false

  func run() throws {
    if maps {
      print(try SmallFile.read("/proc/self/maps"), terminator: "")
      return
    }
    let report = HostReport(HostProbes.run(), kernel: HostFacts.current().kernel)
    for name in require where report.item(name) == nil {
      let names = report.items.map(\.name).joined(separator: ", ")
      throw ValidationError("--require \(name): no such check; there are \(names)")
    }
    if json {
      print(try jsonText(report))
    } else if require.isEmpty {
      print(report.text, terminator: "")
    }
    for item in require.compactMap(report.item) where item.state == .missing {
      throw CommandFailure(
        "\(item.name) is missing: \(item.detail)" + (item.remedy.map { "; \($0)" } ?? ""),
        status: CommandFailure.skipped)
    }
    if require.isEmpty && !report.canRun { throw ExitCode.failure }
  }
}
