internal import ArgumentParser
internal import PmemBase
internal import SystemPackage
internal import Wire

/// `softdax inject-error`: breaks sectors of a running device.
struct InjectError: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inject-error",
    abstract: "Break part of a device, as a failing medium or a test does.",
    discussion: """
      Kinds: `media` (default; the sectors are bad blocks, and whoever touches them gets SIGBUS, as after ndctl inject-error), `latent` (the
      same, but nobody knows before), `machine-check` (the kernel is told at once: processes that asked for it get BUS_MCEERR_AO), `poison`
      (software, as madvise MADV_HWPOISON: the data stays, and the next touch succeeds). Sectors have 512 bytes.

      Example: softdax inject-error dax0.0 -B 8 -n 8
      """)

  @OptionGroup var server: ServerOption

  @Argument(help: "The device.")
  var device: String

  @Option(name: [.customShort("B"), .long], help: "The first sector.")
  var block: UInt64

  @Option(name: [.customShort("n"), .long], help: "How many sectors.")
  var count: UInt64 = 1

  @Option(
    name: .customLong("as"), help: "What breaks: media, latent, machine-check or poison.")
  var kindName = Request.Injection.Kind.media.rawValue

  @Flag(help: "machine-check: the data stays, and later touches succeed.")
  var dataStays = false

  private var kind: Request.Injection.Kind {
    get throws {
      guard let kind = Request.Injection.Kind(rawValue: kindName) else {
        let known = Request.Injection.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--as \(kindName): use one of \(known)")
      }
      return kind
    }
  }

  func validate() throws {
    let kind = try kind
    if count == 0 { throw ValidationError("--count is 1 or more sectors") }
    if dataStays && kind != .machineCheck {
      throw ValidationError("--data-stays says how a machine-check ends; leave it out")
    }
  }

  func run() throws {
    let kind = try kind
    let running = try server.connect()
    let target = try running.device(named: device)
    do throws(WireError) {
      try running.client.inject(
        Request.Injection(
          device: target.index, kind: kind, first: block, count: count, dataStays: dataStays))
    } catch {
      throw Self.failure(error, running, target)
    }
  }

  static func failure(
    _ error: WireError, _ running: RunningServer, _ device: DeviceInfo
  ) -> CommandFailure {
    switch error {
    case .refused(Errno.outOfRange.rawValue):
      CommandFailure("\(device.name) has \(device.size >> 9) sectors: not all of these")
    case .refused(Errno.resourceBusy.rawValue):
      CommandFailure(
        "\(device.name): no process has ever had this page mapped, so the kernel does not know whose it is (EBUSY); "
          + "touch it first")
    case .refused(Errno.notSupported.rawValue):
      CommandFailure(
        "\(device.name) cannot have errors: its medium is \(device.medium.rawValue), and memory or a file on tmpfs with 4 KiB "
          + "pages is needed (and Linux 6.6)")
    default: CommandFailure(error, at: running.socket)
    }
  }
}

/// `softdax clear-errors`: makes sectors good again.
struct ClearErrors: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clear-errors",
    abstract: "Make broken sectors good: they read zero, and are no bad blocks any more.",
    discussion: "Example: softdax clear-errors dax0.0 -B 8 -n 8")

  @OptionGroup var server: ServerOption

  @Argument(help: "The device.")
  var device: String

  @Option(name: [.customShort("B"), .long], help: "The first sector (default 0).")
  var block: UInt64 = 0

  @Option(name: [.customShort("n"), .long], help: "How many sectors (default: to the end).")
  var count: UInt64?

  func validate() throws {
    if count == 0 { throw ValidationError("--count is 1 or more sectors") }
  }

  func run() throws {
    let running = try server.connect()
    let target = try running.device(named: device)
    do throws(WireError) {
      try running.client.clearErrors(device: target.index, first: block, count: count ?? 0)
    } catch {
      throw InjectError.failure(error, running, target)
    }
  }
}
