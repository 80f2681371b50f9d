internal import LinuxSys
internal import Synchronization
public import SystemPackage

/// The bus that libndctl and PMDK talk to: attributes that can be written, and the commands of /dev/ndctlN.
///
/// Reading costs the server nothing: every attribute is a file below the session directory, which is rewritten in place when
/// what it says has changed. Writes and commands come here, one at a time; any thread.
public final class NvdimmBus: Sendable {
  private struct State {
    var bus: BusState
    var functions: NfitFunctions
    var badSectors: [[Range<UInt64>]]
    /// What is on disk: the bus itself, then each device.
    var parts: [SysfsTree]
    var attributes: [FileIdentity: BusAttribute] = [:]
  }

  private let devices: [EmulatedDevice]
  private let bus: EmulatedBus
  private let media: any PoisonableMedia
  private let directory: String
  private let state: Mutex<State>

  /// Creates the files under `directory`/sys, which must not exist yet. The nodes in `directory`/dev are the caller's to make.
  public init(
    devices: [EmulatedDevice], bus: EmulatedBus, media: any PoisonableMedia, directory: String
  ) throws(SysfsError) {
    self.devices = devices
    self.bus = bus
    self.media = media
    self.directory = directory
    let start = BusState(devices: devices.count)
    var first = State(
      bus: start, functions: NfitFunctions(devices: devices),
      badSectors: devices.indices.map { media.badSectors(device: $0) }, parts: [])
    first.parts = (0...devices.count).map { _ in SysfsTree(bus: bus) { _ in } }
    for part in first.parts.indices {
      try Self.publish(
        part, &first, tree: Self.tree(part, first, devices, bus), in: directory)
    }
    state = Mutex(first)
  }

  /// Identifies an attribute's file: a descriptor of it is known by this.
  public struct FileIdentity: Hashable, Sendable {
    public let device: UInt64
    public let inode: UInt64

    public init(device: UInt64, inode: UInt64) {
      self.device = device
      self.inode = inode
    }
  }

  // MARK: Questions of programs

  /// `bytes` were written to an attribute's file: does what the kernel does, and shows it.
  ///
  /// - Throws: what the write fails with; ENODEV when the attribute is gone.
  public func write(_ bytes: [UInt8], to file: FileIdentity) throws(Errno) {
    try state.withLock { state throws(Errno) in
      guard let attribute = state.attributes[file] else {
        throw Errno.operationNotSupportedByDevice
      }
      let before = state.bus
      let result: Result<Bool, Errno>
      do throws(Errno) {
        result = .success(try state.bus.write(bytes, to: attribute, devices: devices))
      } catch {
        result = .failure(error)
      }
      if case .success(true) = result { scrub(&state) }
      follow(before, &state)
      _ = try result.get()
    }
  }

  /// One ioctl() of the control device.
  ///
  /// - Parameters:
  ///   - request: the ioctl's number.
  ///   - isReadOnly: the descriptor is open for reading only.
  ///   - envelope: the program's struct, or as much of it as one message holds.
  /// - Returns: what ioctl() returns, and what to write over the start of the struct.
  /// - Throws: what it fails with.
  public func control(
    request: UInt64, isReadOnly: Bool, envelope: [UInt8]
  ) throws(Errno) -> (result: Int32, bytes: [UInt8]) {
    let command = try ControlCommand(
      request: request, isReadOnly: isReadOnly, envelope: envelope)
    return try state.withLock { state throws(Errno) in
      let before = state.bus
      let (output, isScrubWanted) = state.functions.call(command.function, command.input, media)
      if isScrubWanted { scrub(&state) }
      follow(before, &state)
      return try command.finish(output, in: envelope)
    }
  }

  /// As many bytes of a struct as ``control(request:isReadOnly:envelope:)`` looks at.
  public static var envelopeLimit: Int { ControlCommand.envelopeLimit }

  // MARK: Questions of tools. Those that change nothing wait for no command that is under way.

  /// As ND_CMD_CLEAR_ERROR: bytes that are good for sure now. - Throws: what the media say; nothing has changed then.
  public func clear(device: Int, bytes: Range<UInt64>) throws(Errno) -> UInt64 {
    try state.withLock { state throws(Errno) in
      defer { follow(state.bus, &state) }
      return try media.clear(device: device, bytes: bytes)
    }
  }

  /// As ARS Error Inject Clear: takes injections back; what is known to be bad stays known.
  public func withdraw(device: Int, bytes: Range<UInt64>) throws(Errno) {
    try state.withLock { state throws(Errno) in
      defer { follow(state.bus, &state) }
      try media.withdraw(device: device, bytes: bytes)
    }
  }

  /// The bytes that are unreadable now, ascending and apart.
  public func poisoned(device: Int) -> [Range<UInt64>] {
    media.poisoned(device: device)
  }

  /// The sectors of 512 bytes that are known to be bad, ascending and apart.
  public func badSectors(device: Int) -> [Range<UInt64>] {
    media.badSectors(device: device)
  }

  /// Scrubs everything, as a write to the attribute `scrub` does; complete when this returns.
  public func startScrub() {
    state.withLock { state in
      let before = state.bus
      scrub(&state)
      follow(before, &state)
    }
  }

  /// Unbinds the driver of a namespace that is a block device, as a write of its name to `nd_pmem/unbind`.
  ///
  /// - Throws: `.operationNotSupportedByDevice`: it is none, or has no driver.
  public func unbind(device: Int) throws(Errno) {
    try state.withLock { state throws(Errno) in
      let before = state.bus
      _ = try state.bus.write(
        Array(devices[device].namespaceName.utf8), to: .unbind(.ndPmem), devices: devices)
      follow(before, &state)
    }
  }

  /// Scrubs that are complete.
  public var scrubs: UInt64 { state.withLock { $0.bus.scrubs } }

  /// Shows bad sectors that became known otherwise: somebody read them.
  public func refresh() {
    state.withLock { state in follow(state.bus, &state) }
  }

  // MARK: Consequences

  /// Source: `acpi_nfit_scrub`; a notification of new errors starts one too (`acpi_nfit_uc_error_notify`).
  private func scrub(_ state: inout State) {
    media.scrub()
    state.bus.scrubs += 1
  }

  /// Tells media and nodes of devices that came or went, and rewrites the files that say something else now.
  private func follow(_ before: BusState, _ state: inout State) {
    for (number, device) in devices.enumerated() {
      let old = before.devices[number].stage
      let new = state.bus.devices[number].stage
      guard old != new else { continue }
      if new == .driven { media.enable(device: number) }
      if device.isDax { DeviceNode(directory: directory, name: device.name).show(new) }
      if old == .driven { media.disable(device: number) }
    }
    if before.scrubs != state.bus.scrubs || before.scrubsOnError != state.bus.scrubsOnError {
      show(0, &state)
    }
    for number in devices.indices {
      let sectors = media.badSectors(device: number)
      guard
        sectors != state.badSectors[number]
          || before.devices[number] != state.bus.devices[number]
      else { continue }
      state.badSectors[number] = sectors
      show(number + 1, &state)
    }
  }

  /// The session directory may be going away, or full: then readers see what they saw.
  private func show(_ part: Int, _ state: inout State) {
    try? Self.publish(
      part, &state, tree: Self.tree(part, state, devices, bus), in: directory)
  }

  private static func tree(
    _ part: Int, _ state: State, _ devices: [EmulatedDevice], _ bus: EmulatedBus
  ) -> SysfsTree {
    SysfsTree(bus: bus) { builder in
      if part == 0 {
        builder.addBus(state.bus)
      } else {
        builder.add(
          devices[part - 1], number: part - 1, state.bus.devices[part - 1],
          badSectors: state.badSectors[part - 1])
      }
    }
  }

  private static func publish(
    _ part: Int, _ state: inout State, tree: SysfsTree, in directory: String
  ) throws(SysfsError) {
    let old = state.parts[part]
    try tree.replace(old, in: directory)
    state.parts[part] = tree
    let gone = Set(old.attributes.values).subtracting(tree.attributes.values)
    if !gone.isEmpty { state.attributes = state.attributes.filter { !gone.contains($0.value) } }
    for (path, attribute) in tree.attributes where old.attributes[path] == nil {
      guard let file = try? Folder.identity("\(directory)/\(path)") else { continue }
      state.attributes[FileIdentity(device: file.device, inode: file.inode)] = attribute
    }
  }
}
