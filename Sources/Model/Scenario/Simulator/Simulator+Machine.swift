internal import DaxModel
internal import ExtentFS
internal import MemoryFailure
internal import OwnerIndex
internal import PageModel
internal import PmemBase
internal import SystemPackage

/// The machine's administration.
extension Simulator {
  /// What a command came to.
  struct CommandResult {
    var status = 0
    var output = ""
    /// What it complains about.
    var errors = ""

    /// All that it prints, as a row shows it.
    var text: String {
      var text = output + errors
      while text.last == "\n" { text.removeLast() }
      return text
    }
  }

  mutating func perform(_ operations: [MachineOperation]) -> CommandResult {
    var result = CommandResult()
    for operation in operations {
      let one = perform(operation)
      if one.status != 0 { result.status = one.status }
      result.errors += one.errors
      if !one.output.isEmpty {
        result.output += (result.output.isEmpty ? "" : "\n") + one.output
      }
    }
    return result
  }

  mutating func perform(_ operation: MachineOperation) -> CommandResult {
    switch operation {
    case .disableNamespace(let number):
      guard let region = machine.region(numbered: number) else { return CommandResult(status: 1) }
      return machine.regions[region].isBlock ? disableBlock(region) : disable(region)
    case .enableNamespace(let number):
      guard let region = machine.region(numbered: number) else { return CommandResult(status: 1) }
      return machine.regions[region].isBlock ? enableBlock(region) : enable(region)
    case .unbind(let number):
      guard let region = machine.region(numbered: number) else { return CommandResult(status: 1) }
      return machine.regions[region].isBlock ? unbindBlock(region) : unbind(region)
    case .testNamespace(let number, let isBlock):
      machine.addTestNamespace(number, isBlock: isBlock)
      return CommandResult()
    case .sysctl("memory_failure_early_kill", let value):
      machine.earlyKill = value != 0
      return CommandResult()
    case .sysctl("memory_failure_recovery", let value):
      machine.recovers = value != 0
      return CommandResult()
    case .sysctl(let name, _):
      note("simulator", "vm.\(name) is not modelled")
      return CommandResult()
    case .makeFilesystem(let request): return make(request)
    case .mount(let device, let options): return mount(device, options)
    case .unmount: return unmount()
    case .remount:
      guard let namespace = machine.mounted else { return CommandResult(status: 1) }
      let options = machine.blocks[namespace]?.mountOptions ?? []
      let device = "/dev/" + machine.regions[namespace].device
      let result = unmount()
      return result.status == 0 ? mount(device, options) : result
    case .injectError(let request): return inject(request)
    case .clearErrors(let number): return clearErrors(number)
    case .startScrub: return scrub()
    case .fileCommand(let command): return perform(command)
    case .place(let place): return find(place)
    case .sector(let path, let offset):
      guard case .success(let physical) = physical(path: path, offset: UInt64(max(0, offset))),
        let region = machine.region(at: physical)
      else { return CommandResult(status: 1) }
      let sector = (physical - machine.dataStart(region)) / BadBlocks.sectorSize
      return CommandResult(output: String(sector))
    case .nothing: return CommandResult()
    }
  }

  // MARK: Device-dax

  /// `ndctl disable-namespace` of a device-dax namespace: the driver goes under the mappings.
  ///
  /// Source: `kill_dev_dax`, drivers/dax/bus.c (v6.1, v7.3); oracle `devdax-disable-ns`.
  private mutating func disable(_ namespace: Int) -> CommandResult {
    guard let device = device(ofNamespace: namespace) else { return CommandResult(status: 1) }
    guard machine.devices[device].state != .gone else {
      return CommandResult(output: "disabled 0 namespaces\n")
    }
    kill(device)
    machine.devices[device].state = .gone
    return CommandResult(output: "disabled 1 namespace\n")
  }

  /// The driver's `unbind`: the node stays, and whoever maps it then brings the kernel down.
  private mutating func unbind(_ namespace: Int) -> CommandResult {
    guard let device = device(ofNamespace: namespace),
      machine.devices[device].state == .bound
    else { return CommandResult(status: 1) }
    kill(device)
    machine.devices[device].state = .unbound
    return CommandResult()
  }

  private mutating func kill(_ device: Int) {
    guard machine.devices[device].state == .bound else { return }
    revoke(device, folios: 0..<Int(machine.devices[device].geometry.folioCount))
    machine.devices[device].pagemap.kill()
    note("kill_dev_dax", "\(machine.devices[device].name): not alive, unmapped from every process")
  }

  private mutating func enable(_ namespace: Int) -> CommandResult {
    guard let device = device(ofNamespace: namespace) else { return CommandResult(status: 1) }
    guard machine.devices[device].state != .bound else {
      return CommandResult(output: "enabled 0 namespaces\n")
    }
    machine.devices[device].state = .gone
    machine.regions[namespace].media.flagged = []
    _ = machine.addDevice(namespace)
    return CommandResult(output: "enabled 1 namespace\n")
  }

  /// The newest life of the namespace's device.
  private mutating func device(ofNamespace namespace: Int) -> Int? {
    let name = machine.regions[namespace].device
    return machine.devices.lastIndex { $0.name == name } ?? machine.device(named: name)
  }

  // MARK: Fs-dax

  /// The namespace of `/dev/pmem2` or a partition of it.
  private mutating func block(_ device: String) -> (namespace: Int, isPartition: Bool)? {
    let name = String(device.split(separator: "/").last ?? "")
    let isPartition = name.hasSuffix("p1")
    guard
      let namespace = machine.namespace(
        ofBlockDevice: isPartition ? String(name.dropLast(2)) : name)
    else { return nil }
    addBlock(namespace)
    return (namespace, isPartition)
  }

  private mutating func addBlock(_ namespace: Int) {
    guard machine.blocks[namespace] == nil else { return }
    machine.blocks[namespace] = BlockDevice(namespace, machine.regions[namespace])
  }

  private mutating func make(_ request: FilesystemRequest) -> CommandResult {
    guard let (namespace, isPartition) = block(request.device),
      machine.blocks[namespace]?.isBound == true, machine.mounted != namespace
    else { return CommandResult(status: 1) }
    for other in machine.blocks.keys where machine.blocks[other]?.logOf == namespace {
      machine.blocks[other]?.logOf = nil
    }
    if let log = request.logDevice {
      guard request.kind == .xfs, let (place, _) = block(log), place != namespace,
        machine.blocks[place]?.isBound == true, machine.mounted != place
      else { return CommandResult(status: 1) }
      machine.blocks[place]?.logOf = namespace
      machine.blocks[place]?.filesystem = nil
    }
    var request = request
    if isPartition { request.device = "/dev/\(machine.regions[namespace].device)p1" }
    let kernel = kernel
    machine.blocks[namespace]?.make(
      request, kernel: kernel, frames: machine.frames)
    return CommandResult()
  }

  /// mount(8). Without `dax` an inode's flag decides; XFS with blocks that are no pages turns DAX off.
  private mutating func mount(_ device: String, _ options: [String]) -> CommandResult {
    guard machine.mounted == nil, let (namespace, isPartition) = block(device),
      let block = machine.blocks[namespace], block.isBound, let filesystem = block.filesystem
    else { return CommandResult(status: 1, errors: "mount failed\n") }
    // XFS finds an external log only where it is told to look.
    let logs = options.compactMap { $0.hasPrefix("logdev=") ? $0.dropFirst("logdev=".count) : nil }
    guard block.request?.logDevice == logs.last.map(String.init) else {
      return CommandResult(status: 32, errors: "mount failed\n")
    }
    var dax = MountOptions.Dax.inode
    for option in options {
      switch option {
      case "dax", "dax=always": dax = .always
      case "dax=never": dax = .never
      case "dax=inode": dax = .inode
      default: break
      }
    }
    if let size = block.request?.blockSize, size != 4096 { dax = .never }
    do throws(Errno) {
      try filesystem.mount(
        MountOptions(dax: dax, isReadOnly: options.contains("ro"), isPartition: isPartition))
      machine.mounted = namespace
      machine.blocks[namespace]?.mountOptions = options
      return CommandResult()
    } catch {
      note("mount", "refused: \(error.name)")
      return CommandResult(status: 255, errors: "mount failed: \(error.name)\n")
    }
  }

  private mutating func unmount() -> CommandResult {
    guard let (namespace, filesystem) = mountedFilesystem else { return CommandResult(status: 1) }
    do throws(Errno) {
      try filesystem.unmount()
      machine.mounted = nil
      if machine.blocks[namespace]?.leftEntries == true {
        panic("umount of a filesystem whose device is gone: its page descriptors are freed")
      }
      return CommandResult()
    } catch {
      return CommandResult(status: 1, errors: "umount: \(error.name)\n")
    }
  }

  /// Refused while mounted: nothing happens at all.
  private mutating func disableBlock(_ namespace: Int) -> CommandResult {
    guard machine.mounted != namespace else {
      return CommandResult(status: 1, errors: "Device or resource busy\n")
    }
    addBlock(namespace)
    machine.blocks[namespace]?.isBound = false
    return CommandResult(output: "disabled 1 namespace\n")
  }

  private mutating func enableBlock(_ namespace: Int) -> CommandResult {
    addBlock(namespace)
    if machine.blocks[namespace]?.isBound == false {
      machine.blocks[namespace]?.enable()
      machine.regions[namespace].media.flagged = []
    }
    return CommandResult(output: "enabled 1 namespace\n")
  }

  /// The driver's `unbind` asks nobody.
  ///
  /// Source: oracle `xfs-unbind-mounted`, `ext4-unbind-mounted`: XFS is told before, 6.1 as of a failure; ext4 never.
  private mutating func unbindBlock(_ namespace: Int) -> CommandResult {
    addBlock(namespace)
    guard machine.blocks[namespace]?.isBound == true else { return CommandResult(status: 1) }
    if let (mounted, filesystem) = mountedFilesystem, mounted == namespace {
      if remove(filesystem) { machine.blocks[namespace]?.leftEntries = true }
    }
    machine.blocks[namespace]?.isBound = false
    return CommandResult()
  }

  // MARK: Errors

  /// `ndctl inject-error`: the firmware keeps the error, and the kernel is told of it, or finds it with a scrub.
  private func inject(_ request: ErrorRequest) -> CommandResult {
    guard let media = testMedia(request.namespace) else { return CommandResult(status: 1) }
    let (end, overflow) = request.block.addingReportingOverflow(request.count)
    guard !overflow, end < 1 << 40 else { return CommandResult(status: 1) }
    let bytes = media.bytes(sectors: request.block..<end)
    if request.removes {
      // What the kernel knows of it already stays known.
      media.injected.clear(bytes: bytes)
      return CommandResult()
    }
    media.injected.add(bytes: bytes)
    if request.notifies { media.badBlocks.add(bytes: bytes) }
    return CommandResult()
  }

  /// `ndctl clear-errors`: the namespace must be disabled for it, so it is not while mounted.
  private func clearErrors(_ number: Int) -> CommandResult {
    guard let media = testMedia(number) else { return CommandResult(status: 1) }
    if let mounted = machine.mounted, machine.regions[mounted].number == number {
      return CommandResult(status: 240, errors: "Device or resource busy\n")
    }
    media.badBlocks = BadBlocks()
    media.injected = BadBlocks()
    return CommandResult(output: "cleared 1 namespace\n")
  }

  private func scrub() -> CommandResult {
    let tested = machine.regions.filter { $0.media.bus == .test }
    for region in tested {
      for range in region.media.injected.ranges {
        let size = BadBlocks.sectorSize
        region.media.badBlocks.add(bytes: range.lowerBound * size..<range.upperBound * size)
      }
    }
    return CommandResult(status: tested.isEmpty ? 1 : 0)
  }

  private func testMedia(_ number: Int) -> RegionMedia? {
    guard let region = machine.region(numbered: number), machine.regions[region].media.bus == .test
    else {
      note("ndctl", "the bus of namespace\(number).0 has no such command")
      return nil
    }
    return machine.regions[region].media
  }

  // MARK: Places

  /// Where the mounted filesystem keeps something, in bytes from the device's start.
  private func find(_ place: MetadataPlace) -> CommandResult {
    guard let (_, filesystem) = mountedFilesystem else { return CommandResult(status: 1) }
    let runs = filesystem.owners(in: 0..<filesystem.blockCount)
    let found = runs.first { run in
      run.owners.contains { owner in
        switch (place, owner) {
        case (.log, .metadata(.log)), (.journal, .metadata(.log)),
          (.inodeTable, .metadata(.inodes)), (.inodeChunk, .metadata(.inodes)),
          (.extentMap, .extentMap):
          true
        default: false
        }
      }
    }
    guard let found else { return CommandResult(status: 1) }
    return CommandResult(output: String(found.blocks.lowerBound << 12))
  }
}
