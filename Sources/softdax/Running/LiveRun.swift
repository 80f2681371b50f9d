internal import ArgumentParser
internal import ExtentFS
internal import LinuxSys
internal import MemoryFailure
internal import PmemBase
internal import Scenario
internal import Server
internal import SystemPackage

/// Scenarios by real processes: for each a machine of its own, and the worker under the shim.
struct LiveRun: ~Copyable {
  private let kernel: KernelBehavior
  private let kernelName: String
  private let worker: String
  private let signals: SignalQueue
  private var done = 0
  private var skipped = 0

  /// - Parameter name: The kernel as the user calls it, for the rows.
  init(kernel: KernelBehavior, named name: String) throws {
    let found = try Companion.worker.find()
    _ = try PreloadLibrary.find()
    let queue = try SignalQueue()
    self.kernel = kernel
    kernelName = name
    worker = found
    signals = queue
  }

  /// The scenario's row, after it has been carried out; a row with `skipped` if it cannot be.
  mutating func row(of scenario: Scenario) throws -> JSONValue {
    let live: LiveScenario
    do throws(LiveObstacle) {
      live = try scenario.live(on: kernel)
    } catch {
      return skip(scenario, error.description)
    }
    let place = live.filesystem == nil ? nil : try Self.mountpoint()
    defer { if let place { Folder.removeIfEmpty(place) } }
    do {
      if place != nil { try PrivateMounts.enterIfNeeded() }
      let server = try Server(machine(with: live.filesystem, at: place), logger: .softdax)
      guard server.deviceNames == Self.deviceNames else {
        server.stop()
        return skip(
          scenario, "this host has devices of its own with the names \(Self.deviceNames)")
      }
      try server.start()
      defer { server.stop() }
      let printed = try run(live.text, in: server.path, at: place)
      guard let row = Row(scenario, kernel: kernelName, worker: JSONValue(parsing: printed))
      else {
        throw CommandFailure(
          "\(scenario.name): the worker printed no row", status: Run.Status.own)
      }
      done += 1
      return row.json
    } catch let error as ServerError {
      throw CommandFailure(error.description, status: Run.Status.own)
    } catch let error as Errno {
      throw CommandFailure("scenario: \(error)", status: Run.Status.own)
    }
  }

  /// Says how many there were.
  borrowing func report() {
    printError(
      "softdax: \(done) carried out, \(skipped) not: this host cannot (the rows say why)")
  }

  private mutating func skip(_ scenario: Scenario, _ reason: String) -> JSONValue {
    skipped += 1
    return Row.skipped(scenario, kernel: kernelName, because: reason)
  }

  private static let deviceNames = ["dax0.0", "dax1.0"]

  /// As in the guests whose rows are the truth: 2 MiB and 4 KiB pages, namespaces that hold their own page descriptors.
  /// And one with the filesystem; its bus cannot clear errors.
  private func machine(with filesystem: Format?, at place: String?) -> Server.Options {
    let size: UInt64 = 502 << 20
    let plain = DeviceSpecification(size: size)
    var options = Server.Options(
      devices: (place == nil ? [] : [plain]) + [
        DeviceSpecification(size: size, alignment: .huge),
        DeviceSpecification(size: size, alignment: .base),
      ],
      failures: FailureOptions(kernel: kernel), mounts: place.map { [$0] } ?? [])
    options.format = filesystem
    options.clearsErrors = false
    return options
  }

  /// A directory of its own to mount on.
  private static func mountpoint() throws -> String {
    let path = "/tmp/softdax-\(String(UInt64.unguessable(), radix: 16))"
    try Folder.make(path, mode: 0o700)
    return path
  }

  /// What the worker prints. Its files are in the session directory, and go with it.
  private func run(
    _ text: String, in directory: String, at place: String?
  ) throws -> [UInt8] {
    let file = directory + "/scenario"
    let row = directory + "/row"
    try SmallFile.write(Array(text.utf8), to: file, mode: 0o600)
    let child = try ChildProcess(
      path: worker,
      arguments: [worker, "--softdax", kernelName]
        + (place.map { ["--mnt", $0] } ?? []) + ["--row", row, file],
      environment: PreloadEnvironment(directory: directory).environment,
      mask: signals.previousMask)
    while true {
      if let ending = try child.reap(block: false) {
        guard ending.status == 0 else { throw ExitCode(ending.status) }
        return Array(try SmallFile.read(row).utf8)
      }
      let signal = try signals.next()
      if !signal.isChildEnded { child.send(signal) }
    }
  }
}
