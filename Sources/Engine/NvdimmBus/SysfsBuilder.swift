/// Collects the nodes of a tree; one method for each kind of kernel device.
struct SysfsBuilder {
  private(set) var nodes: [String: SysfsTree.Node] = [:]
  /// What can be written, by path.
  private(set) var attributes: [String: BusAttribute] = [:]
  private let bus: EmulatedBus
  private let busPath: String

  /// Directories that readers list and that are there even when no device is.
  static let directoriesOfReaders = [
    "sys/bus/dax/devices", "sys/bus/dax/drivers/device_dax", "sys/bus/nd/devices",
    "sys/bus/nd/drivers/nd_pmem", "sys/class/nd", "sys/dev/char",
  ]

  /// What `to_nd_device_type()` gives each kind of device (linux/ndctl.h).
  private enum Kind: Int {
    case bus = 0
    case region = 2
    case namespace = 5
    case holder = 7
  }

  init(bus: EmulatedBus) {
    self.bus = bus
    busPath = "sys/devices/platform/\(bus.provider)/\(bus.name)"
  }

  // MARK: devices

  /// The bus, its control device and the drivers; `nfit` is what makes libndctl offer error injection.
  mutating func addBus(_ state: BusState) {
    file("sys/devices/platform/\(bus.provider)/modalias", "platform:softdax")
    files(
      in: busPath,
      [
        "commands": "ars_cap ars_start ars_status clear_error cmd_call ",
        "provider": bus.provider,
        "wait_probe": "1",
        "nfit/revision": "1",
        // ARS 1...4, translate 5, inject 7, clear injection 8, injection status 9
        "nfit/dsm_mask": "0x3be",
      ])
    attribute("\(busPath)/nfit/scrub", .scrub, "\(state.scrubs)")
    attribute("\(busPath)/nfit/hw_error_scrub", .scrubOnError, state.scrubsOnError ? "1" : "0")
    join(busPath, named: bus.name, kind: .bus, type: nil, driver: "nd_bus")
    for driver in BusDriver.allCases {
      attribute("\(driver.path)/bind", .bind(driver), nil)
      attribute("\(driver.path)/unbind", .unbind(driver), nil)
    }
    attribute("\(BusDriver.deviceDax.path)/new_id", .newIdentifier, nil)
    attribute("\(BusDriver.deviceDax.path)/remove_id", .removeIdentifier, nil)
    // libkmod asks before daxctl enables a device.
    file("sys/module/\(BusDriver.deviceDax.rawValue)/initstate", "live")

    let control = "\(busPath)/ndctl/\(bus.controlName)"
    let number = "\(bus.major):\(bus.minor)"
    file("\(control)/dev", number)
    file(
      "\(control)/uevent",
      lines: [
        "MAJOR=\(bus.major)", "MINOR=\(bus.minor)", "DEVNAME=\(bus.controlName)",
      ])
    link("\(control)/device", to: busPath)
    link("\(control)/subsystem", to: "sys/class/nd")
    link("sys/class/nd/\(bus.controlName)", to: control)
    link("sys/dev/char/\(number)", to: control)
  }

  /// A device with all that is above it up to the bus.
  mutating func add(
    _ device: EmulatedDevice, number: Int, _ state: BusState.Device, badSectors: [Range<UInt64>]
  ) {
    let region = "\(busPath)/\(device.regionName)"
    addRegion(region, device, number)
    nodes["\(region)/badblocks"] = .file(BadBlocksText.lines(badSectors))
    addNamespace("\(region)/\(device.namespaceName)", device, number, state)
    guard device.isDax else { return }
    addSeed("\(region)/\(device.seedName)", device)
    if state.stage >= .claimed {
      addHolder("\(region)/\(device.holderName)", device, number, state.stage)
    }
    if state.stage >= .probed {
      addCharacterDevice(
        "\(region)/\(device.holderName)/\(device.name)", device,
        driver: state.stage == .driven ? .deviceDax : nil)
    }
  }

  private mutating func addRegion(_ path: String, _ device: EmulatedDevice, _ number: Int) {
    files(
      in: path,
      [
        "size": "\(device.size)",
        "mappings": "0",
        "read_only": "0",
        "nstype": "\(Kind.namespace.rawValue)",
        "set_cookie": hex(DeviceIdentity.cookie(of: device.uuid)),
        "available_size": "0",
        "max_available_extent": "0",
        // The kernel's default: 16 MiB, or a page if the region is smaller.
        "align": hex(device.size < 16 << 20 ? 4096 : 16 << 20),
        "resource": hex(device.resource),
        "persistence_domain": "memory_controller",
        "init_namespaces": "1/1",
        "namespace_seed": "",
        "btt_seed": "",
        "pfn_seed": "",
        "dax_seed": device.isDax ? device.seedName : "",
        "nfit/range_index": "\(device.region + 1)",
      ])
    // 1: there is something to flush.
    attribute("\(path)/deep_flush", .deepFlush(number), "1")
    addNodes(path, device)
    join(path, named: device.regionName, kind: .region, type: "nd_pmem", driver: "nd_region")
  }

  /// A namespace that is mounted has no holder, as memmap= makes it; its block device is not shown: PMDK looks for each in /sys/block, which
  /// is the host's.
  ///
  /// Source: `mode_show`, `pmem_should_map_pages`, drivers/nvdimm/namespace_devs.c; `pmem_attach_disk`, drivers/nvdimm/pmem.c.
  private mutating func addNamespace(
    _ path: String, _ device: EmulatedDevice, _ number: Int, _ state: BusState.Device
  ) {
    let isClaimed = device.isDax && state.stage >= .claimed
    let isDriven = !device.isDax && state.stage == .driven
    files(
      in: path,
      [
        "nstype": "\(Kind.namespace.rawValue)",
        "size": "\(device.size)",
        "resource": hex(device.resource),
        "mode": device.isDax ? isClaimed ? "dax" : "raw" : "memory",
        "holder": isClaimed ? device.holderName : "",
        "holder_class": device.isDax ? "dax" : "",
        "uuid": device.uuid,
        "alt_name": "",
        "sector_size": "[512] 4096 ",
      ])
    attribute("\(path)/force_raw", .forceRaw(number), state.forcesRaw ? "1" : "0")
    addNodes(path, device)
    join(
      path, named: device.namespaceName, kind: .namespace, type: "nd_namespace_pmem",
      driver: isDriven ? BusDriver.ndPmem.rawValue : nil)
  }

  /// The nd_dax device; its directory is also libdaxctl's region. Size and address are those of a driver that runs.
  private mutating func addHolder(
    _ path: String, _ device: EmulatedDevice, _ number: Int, _ stage: BusState.Stage
  ) {
    files(
      in: path,
      [
        "uuid": device.uuid,
        "mode": "pmem",
        "align": "\(device.alignment)",
        "supported_alignments": Self.supportedAlignments,
      ])
    attribute("\(path)/namespace", .holdersNamespace(number), device.namespaceName)
    let isProbed = stage >= .probed
    if isProbed {
      files(
        in: path,
        [
          "resource": hex(device.resource),
          "size": "\(device.size)",
          "dax_region/id": "\(device.region)",
          "dax_region/size": "\(device.size)",
          "dax_region/align": "\(device.alignment)",
        ])
    }
    addNodes(path, device)
    join(
      path, named: device.holderName, kind: .holder, type: "nd_dax",
      driver: isProbed ? BusDriver.daxPmem.rawValue : nil)
  }

  /// The spare nd_dax device: idle, without namespace, and so without size and address.
  private mutating func addSeed(_ path: String, _ device: EmulatedDevice) {
    files(
      in: path,
      [
        "uuid": "",
        "mode": "none",
        "align": "\(2 << 20)",
        "supported_alignments": Self.supportedAlignments,
        "namespace": "",
      ])
    addNodes(path, device)
    join(path, named: device.seedName, kind: .holder, type: "nd_dax", driver: nil)
  }

  private mutating func addCharacterDevice(
    _ path: String, _ device: EmulatedDevice, driver: BusDriver?
  ) {
    let number = "\(device.major):\(device.minor)"
    files(
      in: path,
      [
        "dev": number,
        "size": "\(device.size)",
        "align": "\(device.alignment)",
        "resource": hex(device.resource),
        "modalias": "dax:t0",
        "mapping0/start": hex(device.resource),
        "mapping0/end": hex(device.resource &+ device.size &- 1),
        "mapping0/page_offset": hex(0),
      ])
    addNodes(path, device)
    file(
      "\(path)/uevent",
      lines: [
        "MAJOR=\(device.major)", "MINOR=\(device.minor)", "DEVNAME=\(device.name)",
        driver.map { "DRIVER=\($0.rawValue)" }, "MODALIAS=dax:t0",
      ].compactMap { $0 })
    link("\(path)/subsystem", to: "sys/bus/dax")
    if let driver {
      link("\(path)/driver", to: driver.path)
      link("\(driver.path)/\(device.name)", to: path)
    }
    link("sys/bus/dax/devices/\(device.name)", to: path)
    link("sys/dev/char/\(number)", to: path)
  }

  // MARK: what several kinds share

  /// A kernel shows the node of memory only if there is one.
  private mutating func addNodes(_ path: String, _ device: EmulatedDevice) {
    file("\(path)/numa_node", "\(max(0, device.targetNode))")
    if device.targetNode >= 0 { file("\(path)/target_node", "\(device.targetNode)") }
  }

  /// What makes a directory a device on the libnvdimm bus.
  private mutating func join(
    _ path: String, named name: String, kind: Kind, type: String?, driver: String?
  ) {
    let alias = "nd:t\(kind.rawValue)"
    file("\(path)/modalias", alias)
    if let type { file("\(path)/devtype", type) }
    file(
      "\(path)/uevent",
      lines: [
        type.map { "DEVTYPE=\($0)" }, driver.map { "DRIVER=\($0)" }, "MODALIAS=\(alias)",
      ].compactMap { $0 })
    link("\(path)/subsystem", to: "sys/bus/nd")
    link("sys/bus/nd/devices/\(name)", to: path)
    if let driver {
      link("\(path)/driver", to: "sys/bus/nd/drivers/\(driver)")
      link("sys/bus/nd/drivers/\(driver)/\(name)", to: path)
    }
  }

  private static let supportedAlignments = "4096 2097152 1073741824 "

  // MARK: nodes

  /// `nil`: it can be written only.
  private mutating func attribute(_ path: String, _ attribute: BusAttribute, _ text: String?) {
    nodes[path] = .attribute(text.map { $0 + "\n" } ?? "", mode: text == nil ? 0o200 : 0o644)
    attributes[path] = attribute
  }

  private mutating func file(_ path: String, _ text: String) { file(path, lines: [text]) }

  private mutating func file(_ path: String, lines: [String]) {
    nodes[path] = .file(lines.map { $0 + "\n" }.joined())
  }

  private mutating func files(in directory: String, _ texts: KeyValuePairs<String, String>) {
    for (name, text) in texts { file("\(directory)/\(name)", text) }
  }

  private mutating func link(_ path: String, to target: String) {
    nodes[path] = .link(Self.relative(from: path, to: target))
  }

  /// The shortest way from the directory that `link` is in to `target`, as sysfs writes it.
  static func relative(from link: String, to target: String) -> String {
    let here = link.split(separator: "/").dropLast()
    let there = target.split(separator: "/")
    let common = zip(here, there).prefix { $0 == $1 }.count
    let up = Array(repeating: "..", count: here.count - common)
    return (up + there.dropFirst(common).map(String.init)).joined(separator: "/")
  }

  /// As "%#llx" prints it: 0 has no prefix.
  private func hex(_ value: UInt64) -> String {
    value == 0 ? "0" : "0x" + String(value, radix: 16)
  }
}
