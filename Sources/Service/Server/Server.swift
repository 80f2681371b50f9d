public import ExtentFS
public import FailureEngine
public import FaultEngine
internal import FuseMount
internal import Latency
internal import LinuxSys
public import Logging
internal import Medium
public import MemoryFailure
internal import NvdimmBus
internal import PageModel
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import Wire

/// A machine with emulated devices: owns them, the session directory, the socket and every thread that serves a workload.
///
/// `init` acquires everything or nothing; `start` begins to serve; `stop` ends it, gives back every reference and removes every file.
/// Start and stop from one thread, once each.
public final class Server: Sendable {
  public struct Options: Sendable {
    public var devices: [DeviceSpecification]
    /// An additional place for the socket, for `softdax serve --socket`.
    public var socket: String?
    public var insertion: InsertionOptions
    /// The CPU that fault threads run on; `nil` leaves it to the scheduler.
    public var cpu: Int?
    /// The kernel's version and settings, as far as failing pages go.
    public var failures: FailureOptions
    /// Where the filesystems of the first devices are mounted; those devices are no /dev/daxN.M then.
    public var mounts: [String]
    /// Their media are erased, and new filesystems made.
    public var formats: Bool
    /// Writing over bad sectors of a mount clears them.
    public var clearsErrors = true
    /// What new filesystems are to be; nil: XFS for the medium's size.
    public var format: Format?

    public init(
      devices: [DeviceSpecification] = [DeviceSpecification()], socket: String? = nil,
      insertion: InsertionOptions = InsertionOptions(), cpu: Int? = nil,
      failures: FailureOptions = FailureOptions(), mounts: [String] = [], formats: Bool = false
    ) {
      self.devices = devices
      self.socket = socket
      self.insertion = insertion
      self.cpu = cpu
      self.failures = failures
      self.mounts = mounts
      self.formats = formats
    }
  }

  let options: Options
  let logger: Logger
  public let devices: [DaxDevice]
  let emulated: [EmulatedDevice]
  let nvdimm: NvdimmBus
  let registry: Registry
  /// Errors of the media, and what becomes of them.
  public let failures: MemoryFailures
  let bulletin = Bulletin()
  let events = EventLog()
  let timers = Mutex(Timers())
  private let directory: SessionDirectory
  private let listener: Listener
  private let acceptor = Mutex<WorkerThread?>(nil)
  let filesystems: [FilesystemMount]
  /// Files of the mounts can be mapped as windows.
  public let offersWindows: Bool

  /// The session directory: what workloads find in $SOFTDAX_DIR.
  public var path: String { directory.path }
  /// The socket in it.
  public var socket: String { directory.path + "/" + DeviceTable.socketName }
  /// Names of the devices, in order.
  public var deviceNames: [String] { emulated.map(\.name) }

  /// - Throws: ``ServerError``; then nothing is left behind.
  public init(_ options: Options, logger: Logger) throws(ServerError) {
    guard options.devices.count <= DeviceTable.maximumDevices else {
      throw .tooManyDevices(options.devices.count)
    }
    if let cpu = options.cpu {
      do { try Placement.pinned(to: cpu) {} } catch { throw .cpu(cpu) }
    }
    Clock.calibrate()
    try Self.checkUserfaultfd()
    let all = try Self.openMedia(options.devices)
    guard options.mounts.count <= all.count else {
      throw .tooManyMounts(options.mounts.count, devices: all.count)
    }
    filesystems = try Self.openFilesystems(all, options)
    offersWindows = !filesystems.isEmpty && Self.canWatchFiles()
    for filesystem in filesystems
    where offersWindows && FilesystemMount.canHaveWindows(filesystem.medium) {
      filesystem.offerWindows()
    }
    let media = Array(all.dropFirst(options.mounts.count))
    let bus: EmulatedBus
    let mounted: [EmulatedDevice]
    do throws(SysfsError) {
      let numbers = try DeviceNumbers(avoiding: .survey())
      emulated = try numbers.devices(
        media.map { (size: $0.medium.size, alignment: $0.alignment.bytes) },
        session: "\(ThisProcess.identifier)")
      mounted = numbers.blockDevices(
        filesystems.enumerated().map {
          ($1.medium.size, Self.mountResource($0))
        },
        after: emulated.count, session: "\(ThisProcess.identifier)")
      bus = numbers.bus
    } catch {
      throw .sysfs(error)
    }
    directory = try SessionDirectory()
    let poison = try Self.makePoisonFile(
      media.map { Int($0.medium.size >> 12) }, in: directory)
    devices = try Self.makeDevices(
      media, names: emulated.map(\.name), regime: RefcountRegime(options.failures.kernel),
      poison: poison.bits)
    let registry = Registry()
    self.registry = registry
    do throws(Errno) {
      failures = try MemoryFailures(
        devices: devices, options: options.failures, generation: poison.generation,
        workloads: { registry.workloads })
    } catch {
      throw .system(call: "pipe2", path: "failing pages", error)
    }
    for (index, filesystem) in filesystems.enumerated() {
      filesystem.report(to: failures, as: devices.count + index)
    }
    do throws(SysfsError) {
      nvdimm = try NvdimmBus(
        devices: emulated + mounted, bus: bus,
        media: FailingMedia(failures, devices: emulated.count, mounts: filesystems),
        directory: directory.path)
    } catch {
      throw .sysfs(error)
    }
    try Self.furnish(directory, emulated, bus, devices)
    let socket = directory.path + "/" + DeviceTable.socketName
    do throws(Errno) {
      listener = try Listener(at: socket)
    } catch .fileNameTooLong {
      throw .socketNameTooLong(socket)
    } catch {
      throw .system(call: "bind", path: socket, error)
    }
    if !filesystems.isEmpty { try directory.note(mounts: filesystems.map(\.directory)) }
    if let alias = options.socket { try Self.linkSocket(alias, to: socket) }
    self.options = options
    self.logger = logger
  }

  // MARK: Beginning

  /// Fails early, and in words, where every mmap would fail later.
  private static func checkUserfaultfd() throws(ServerError) {
    do throws(Errno) {
      let one: Userfaultfd
      do throws(Errno) {
        one = try Userfaultfd()
      } catch .notPermitted {
        one = try Userfaultfd(userModeOnly: true)
      }
      do throws(Errno) {
        try one.handshake(Workload.features)
      } catch .invalidArgument {
        throw Errno.notSupported
      }
    } catch .notSupported {
      throw .userfaultfdFeatures
    } catch {
      throw .userfaultfd(error)
    }
  }

  private static func openMedia(_ specifications: [DeviceSpecification]) throws(ServerError)
    -> [(medium: any Medium, alignment: PageSize)]
  {
    var media: [(medium: any Medium, alignment: PageSize)] = []
    for (index, wanted) in specifications.enumerated() {
      do throws(MediumError) {
        media.append(try wanted.open(name: "softdax\(index)"))
      } catch .inUse(let path) where specifications[..<index].contains(where: { $0.names(path) }) {
        throw .namedTwice(path)
      } catch {
        throw .medium(error)
      }
    }
    return media
  }

  private static func openFilesystems(
    _ media: [(medium: any Medium, alignment: PageSize)], _ options: Options
  ) throws(ServerError) -> [FilesystemMount] {
    var filesystems: [FilesystemMount] = []
    do throws(MountError) {
      for (directory, device) in zip(options.mounts, media) {
        filesystems.append(
          try FilesystemMount(
            device.medium, at: directory, formats: options.formats,
            kernel: options.failures.kernel, clears: options.clearsErrors,
            format: options.format))
      }
    } catch {
      for filesystem in filesystems { filesystem.stop() }
      throw .mount(error)
    }
    return filesystems
  }

  private static func makeDevices(
    _ media: [(medium: any Medium, alignment: PageSize)], names: [String],
    regime: RefcountRegime, poison: [AtomicBits]
  ) throws(ServerError) -> [DaxDevice] {
    var devices: [DaxDevice] = []
    for (index, (medium, alignment)) in media.enumerated() {
      do throws(Errno) {
        devices.append(
          try DaxDevice(
            name: names[index], medium: medium, alignment: alignment, regime: regime,
            poison: poison[index]))
      } catch {
        throw .system(call: "reserve page descriptors for", path: names[index], error)
      }
    }
    return devices
  }

  /// The nodes, and the table that tells the shim of them.
  private static func furnish(
    _ directory: SessionDirectory, _ emulated: [EmulatedDevice], _ bus: EmulatedBus,
    _ devices: [DaxDevice]
  ) throws(ServerError) {
    var entries: [DeviceTable.Entry] = []
    for (index, device) in emulated.enumerated() {
      let node = try directory.makeNode(device.name)
      entries.append(
        DeviceTable.Entry(
          path: "/dev/" + device.name, file: "dev/" + device.name, fileDevice: node.device,
          fileInode: node.inode, major: device.major, minor: device.minor,
          node: .dax(
            device: index, size: device.size, alignment: device.alignment,
            mapsMedium: devices[index].medium.insertion == .continued)))
    }
    let control = try directory.makeNode(bus.controlName)
    entries.append(
      DeviceTable.Entry(
        path: "/dev/" + bus.controlName, file: "dev/" + bus.controlName,
        fileDevice: control.device, fileInode: control.inode, major: bus.major,
        minor: bus.minor, node: .ndctl))
    try directory.write(DeviceTable(entries: entries))
  }

  /// `alias` leads to the socket; a link that a dead server left is replaced.
  private static func linkSocket(_ alias: String, to socket: String) throws(ServerError) {
    guard alias.utf8.count <= 107 else { throw .socketNameTooLong(alias) }
    do throws(Errno) {
      do throws(Errno) {
        try Folder.link(alias, to: socket)
      } catch .fileExists {
        guard Folder.isDeadLink(alias) else { throw Errno.addressInUse }
        Folder.removeFile(alias)
        try Folder.link(alias, to: socket)
      }
    } catch .addressInUse {
      throw .socketInUse(alias)
    } catch {
      throw .system(call: "symlink", path: alias, error)
    }
  }

  /// Mounts the filesystems, then begins to accept workloads and tools.
  public func start() throws(ServerError) {
    do throws(MountError) {
      for filesystem in filesystems { try filesystem.start() }
    } catch {
      unmount()
      removeAlias()
      throw .mount(error)
    }
    do throws(Errno) {
      failures.observe { [weak self] event in self?.record(event) }
      try failures.start()
      try showBadBlocks()
      let thread = try WorkerThread(name: "softdax-accept") { [self] in accept() }
      acceptor.withLock { $0 = thread }
    } catch {
      unmount()
      removeAlias()
      throw .system(call: "pthread_create", path: "acceptor", error)
    }
  }

  private func accept() {
    while true {
      do throws(Errno) {
        let connection = try listener.accept()
        serve(Channel(connection))
      } catch .invalidArgument {
        return
      } catch {
        logger.error("nobody can connect any more: accept: \(error)")
        return
      }
      registry.waitForRoom()
    }
  }

  // MARK: The end

  /// Ends every conversation, waits until every reference is back, and removes the socket's alias.
  ///
  /// Workloads that still run find their device withdrawn: a touch is SIGBUS/BUS_ADRERR.
  public func stop() {
    stopTimers()
    listener.shutdown()
    acceptor.withLock { thread in
      thread?.join()
      thread = nil
    }
    registry.dismissAll()
    registry.waitUntilEmpty()
    failures.stop()
    bulletin.end()
    unmount()
    removeAlias()
    directory.remove()
  }

  private func unmount() {
    for filesystem in filesystems {
      if let problem = filesystem.stop() { logger.error("\(problem)") }
    }
  }

  /// Where filesystems are mounted, in order.
  public var mounts: [String] { filesystems.map(\.directory) }

  /// Another server may have the name by now: then it is not ours to remove.
  private func removeAlias() {
    guard let alias = options.socket, Folder.target(alias) == socket else { return }
    Folder.removeFile(alias)
  }

  /// Processes that have the devices mapped now.
  public var workloads: [(process: Int32, command: String)] {
    registry.workloads.map { ($0.process, $0.command) }
  }

  /// Every page of every device is idle.
  public var isIdle: Bool { devices.allSatisfy { $0.pagemap.isIdle() } }
}
