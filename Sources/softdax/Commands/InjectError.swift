internal import ArgumentParser
internal import LinuxSys
internal import MemoryFailure
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
      (software, as madvise MADV_HWPOISON: the data stays, and the next touch succeeds). Sectors have 512 bytes. The device of a mounted
      filesystem (--fs) is pmem0, or the directory; --file names a byte of a file on it.

      Example: softdax inject-error dax0.0 -B 8 -n 8
      Example: softdax inject-error /mnt/pmem0 --file pool@0x3000 --as machine-check
      """)

  @OptionGroup var server: ServerOption

  @Argument(help: DeviceArgument.help)
  var device: String

  @Option(name: [.customShort("B"), .long], help: "The first sector.")
  var block: UInt64?

  @Option(
    help: ArgumentHelp(
      "A byte of a file on the mounted filesystem, instead of --block.", valueName: "path@bytes"))
  var file: String?

  @Option(name: [.customShort("n"), .long], help: "How many sectors (default 1).")
  var count: UInt64?

  @Option(
    name: .customLong("as"),
    help: "What breaks: media (default), latent, machine-check or poison.")
  var kindName: String?

  @Flag(name: [.customShort("N"), .long], help: "Nobody is told: latent, as of ndctl.")
  var noNotify = false

  @Flag(
    name: [.customShort("d"), .long],
    help:
      "Take an injection back: the bytes are there again, and what waits for a fault does not come. What is a known bad block stays one."
  )
  var uninject = false

  @Flag(
    name: [.customShort("t"), .long],
    help: "Only list what is injected, and what waits for a fault, as JSON.")
  var status = false

  @Option(
    help: ArgumentHelp(
      "Not now, but before the device's N-th fault from now is answered.", valueName: "N-faults"))
  var after: UInt64?

  @Option(
    help: ArgumentHelp(
      "The process that consumes the error: its main thread gets BUS_MCEERR_AR. For poison and machine-check.",
      valueName: "P"))
  var pid: Int32?

  @Flag(help: "machine-check: the data stays, and later touches succeed.")
  var dataStays = false

  @Flag(help: "Only tell who would be signalled, page by page, as JSON; nothing is changed.")
  var dryRun = false

  private var kind: InjectionRule.Kind {
    get throws {
      let kindName = kindName ?? InjectionRule.Kind.media.rawValue
      guard let kind = InjectionRule.Kind(rawValue: kindName) else {
        let known = InjectionRule.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError("--as \(kindName): use one of \(known)")
      }
      guard noNotify else { return kind }
      guard kind == .media || kind == .latent else {
        throw ValidationError("-N: a \(kindName) is nothing that nobody is told of; leave out one")
      }
      return .latent
    }
  }

  func validate() throws {
    let kind = try kind
    guard [uninject, status, dryRun].count(where: { $0 }) <= 1 else {
      throw ValidationError("--uninject, --status and --dry-run are three things; ask for one")
    }
    if uninject || status, kindName != nil || noNotify {
      throw ValidationError("--as and -N say how sectors break; with -d and -t leave them out")
    }
    if count == 0 { throw ValidationError("--count is 1 or more sectors") }
    if after == 0 { throw ValidationError("--after counts faults, from 1; leave it out for now") }
    if status {
      guard block == nil, file == nil, count == nil else {
        throw ValidationError("--status lists all of the device; leave out --block and --count")
      }
    } else if (block == nil) == (file == nil) {
      throw ValidationError(
        block == nil
          ? "give the first sector with --block (-B), or with --file"
          : "--block and --file both say where; leave out one")
    }
    if dataStays && kind != .machineCheck {
      throw ValidationError("--data-stays says how a machine-check ends; leave it out")
    }
    if let pid {
      guard pid > 0 else { throw ValidationError("--pid \(pid) is no process") }
      guard kind == .machineCheck || kind == .poison else {
        throw ValidationError(
          "--pid says who consumes a machine-check or poison; whoever touches it consumes a \(kind.rawValue) error"
        )
      }
    }
    if after != nil && (uninject || status || dryRun) {
      throw ValidationError("--after is for an injection; leave it out")
    }
  }

  func run() throws {
    let kind = try kind
    let running = try server.connect()
    let target = try running.device(named: device)
    let sectors = count ?? 1
    let first = try file.map { try FileSector.place(of: $0, on: target) } ?? block ?? 0
    do throws(WireError) {
      if status {
        let errors = try running.client.errors(device: target.index, list: .injected)
        let armed = try running.client.armed(device: target.index)
        try printStatus(errors, armed)
      } else if uninject {
        try running.client.withdraw(device: target.index, first: first, count: sectors)
      } else if dryRun {
        try printPrediction(running, target, kind, first, sectors)
      } else {
        try running.client.inject(
          Request.Injection(
            device: target.index, kind: kind, first: first, count: sectors,
            dataStays: dataStays, after: after ?? 0, process: pid))
      }
    } catch {
      throw Self.failure(error, running, target, pid: pid, heals: uninject)
    }
  }

  /// As `ndctl inject-error --status`, and what waits for a fault if anything does.
  private func printStatus(
    _ errors: [Range<UInt64>], _ waiting: [WaitingError]
  ) throws(WireError) {
    struct Status: Encodable {
      struct Run: Encodable {
        let block: UInt64
        let count: UInt64
      }
      struct Waiting: Encodable {
        /// Absent: in the page of the fault.
        let block: UInt64?
        let count: UInt64?
        let `as`: String
        let after: UInt64
      }
      let badblocks: [Run]
      let waiting: [Waiting]?
    }
    let runs = errors.map { Status.Run(block: $0.lowerBound, count: UInt64($0.count)) }
    let armed = waiting.map {
      Status.Waiting(
        block: $0.sectors?.lowerBound, count: $0.sectors.map { UInt64($0.count) },
        as: $0.kind.rawValue, after: $0.faults)
    }
    let status = Status(badblocks: runs, waiting: armed.isEmpty ? nil : armed)
    if let text = try? jsonText(status) { print(text) }
  }

  private func printPrediction(
    _ running: RunningServer, _ target: DeviceInfo, _ kind: InjectionRule.Kind,
    _ first: UInt64, _ sectors: UInt64
  ) throws(WireError) {
    guard first < target.size >> 9, sectors <= target.size >> 9 - first else {
      throw .refused(Errno.outOfRange.rawValue)
    }
    var folios: [PredictionReport] = []
    let last = ((first + sectors) << 9) - 1
    for folio in (first << 9) / target.alignment...last / target.alignment {
      let page = (folio * target.alignment) >> 12
      folios.append(
        PredictionReport(
          page: page,
          try running.client.predict(
            device: target.index, page: page, kind: kind, process: pid)))
    }
    if let text = try? jsonText(folios) { print(text) }
  }

  static func failure(
    _ error: WireError, _ running: RunningServer, _ device: DeviceInfo, pid: Int32? = nil,
    heals: Bool = false
  ) -> CommandFailure {
    switch error {
    case .refused(Errno.outOfRange.rawValue):
      CommandFailure("\(device.name) has \(device.size >> 9) sectors: not all of these")
    case .refused(Errno.noSuchProcess.rawValue):
      CommandFailure(
        "process \(pid ?? 0) has no device of \(running.socket) mapped; `softdax owners` tells who has"
      )
    case .refused(Errno.badAddress.rawValue):
      CommandFailure(
        "process \(pid ?? 0) maps nothing of these sectors of \(device.name), or not for reading; "
          + "`softdax owners \(device.name)` tells who does")
    case .refused(Errno.resourceBusy.rawValue) where heals:
      CommandFailure(
        "\(device.name): a program is inside a call that changes a mapping of this page; try again")
    case .refused(Errno.resourceBusy.rawValue):
      CommandFailure(
        "\(device.name): no process has ever had this page mapped, so the kernel does not know whose it is (EBUSY); "
          + "touch it first")
    case .refused(117):
      CommandFailure(
        "\(device.name): these are blocks of the filesystem's own; it has shut down (EUCLEAN)")
    case .refused(Errno.notSupported.rawValue):
      CommandFailure(
        "\(device.name) cannot have errors: its medium is \(device.medium.rawValue), and memory or a file, with 4 KiB pages, "
          + "is needed")
    default: CommandFailure(error, at: running.socket)
    }
  }
}

/// What an error of a folio would do, for programs.
struct PredictionReport: Encodable {
  struct Signal: Encodable {
    let pid: Int32
    let tid: Int32
    let comm: String
    let code: String
    let address: String
    let lsb: UInt32
  }

  struct Passed: Encodable {
    let pid: Int32
    let comm: String
    let verdict: String
  }

  /// The folio's first page, of 4 KiB.
  let pfn: UInt64
  let outcome: String
  /// Bytes that go from every page table.
  let unmapped: UInt64
  let signals: [Signal]
  let passedOver: [Passed]

  init(page: UInt64, _ prediction: Prediction) {
    pfn = page
    outcome = prediction.outcome.rawValue
    unmapped = prediction.unmapShift == 0 ? 0 : 1 << UInt64(min(prediction.unmapShift, 63))
    signals = prediction.verdicts.filter(\.kind.isSignal).map {
      Signal(
        pid: $0.process, tid: $0.thread, comm: $0.command, code: $0.kind.rawValue,
        address: hexadecimal($0.address), lsb: $0.shift)
    }
    passedOver = prediction.verdicts.filter { !$0.kind.isSignal }.map {
      Passed(pid: $0.process, comm: $0.command, verdict: $0.kind.rawValue)
    }
  }
}

/// "0x7f00"
func hexadecimal(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }
