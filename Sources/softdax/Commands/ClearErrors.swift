internal import ArgumentParser
internal import Wire

/// `softdax clear-errors`: makes sectors good again.
struct ClearErrors: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clear-errors",
    abstract: "Make broken sectors good: they read zero, and are no bad blocks any more.",
    discussion: """
      Example: softdax clear-errors dax0.0 -B 8 -n 8
      Example: softdax clear-errors /mnt/pmem0 --file pool@0x3000 -n 8
      """)

  @OptionGroup var server: ServerOption

  @Argument(help: DeviceArgument.help)
  var device: String

  @Option(name: [.customShort("B"), .long], help: "The first sector (default 0).")
  var block: UInt64?

  @Option(
    help: ArgumentHelp(
      "A byte of a file on the mounted filesystem, instead of --block.", valueName: "path@bytes"))
  var file: String?

  @Option(name: [.customShort("n"), .long], help: "How many sectors (default: to the end).")
  var count: UInt64?

  func validate() throws {
    if count == 0 { throw ValidationError("--count is 1 or more sectors") }
    if block != nil, file != nil {
      throw ValidationError("--block and --file both say where; leave out one")
    }
  }

  func run() throws {
    let running = try server.connect()
    let target = try running.device(named: device)
    let first = try file.map { try FileSector.place(of: $0, on: target) } ?? block ?? 0
    let sectors = count ?? (file == nil ? 0 : 1)
    do throws(WireError) {
      try running.client.clearErrors(device: target.index, first: first, count: sectors)
    } catch {
      throw InjectError.failure(error, running, target, heals: true)
    }
  }
}

/// `softdax start-scrub`: looks for bad sectors that nobody has met.
struct StartScrub: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "start-scrub",
    abstract: "Scrub all devices: sectors that are bad and not known become bad blocks.",
    discussion: """
      Prints how many scrubs are complete, as JSON.

      Example: softdax start-scrub
      """)

  @OptionGroup var server: ServerOption

  func run() throws { try Self.scrub(server, starts: true) }

  fileprivate static func scrub(_ server: ServerOption, starts: Bool) throws {
    struct Report: Encodable {
      let scrubs: UInt64
      let scrubState: String
    }
    let count = try server.connect().ask { client throws(WireError) in
      try client.scrub(starts: starts)
    }
    print(try jsonText(Report(scrubs: count, scrubState: "idle")))
  }
}

/// `softdax wait-scrub`: until no scrub is under way.
struct WaitScrub: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wait-scrub",
    abstract: "Wait until no scrub is under way.",
    discussion: """
      Prints how many scrubs are complete, as JSON.

      Example: softdax wait-scrub
      """)

  @OptionGroup var server: ServerOption

  func run() throws { try StartScrub.scrub(server, starts: false) }
}
