internal import SystemPackage

/// All of a bus that writes to its attributes can change.
struct BusState: Hashable, Sendable {
  /// How far the kernel's chain of drivers reaches, from the namespace up.
  enum Stage: Int, Comparable, Sendable {
    /// The namespace has no holder: what `ndctl disable-namespace` leaves.
    case released
    /// The holder (the libnvdimm dax device) has no driver: no character device.
    case claimed
    /// There is a character device, and no driver that could open it: what `daxctl disable-device` leaves.
    case probed
    /// In use. Of a namespace that is a block device: `nd_pmem` has it.
    case driven

    static func < (a: Stage, b: Stage) -> Bool { a.rawValue < b.rawValue }
  }

  struct Device: Hashable, Sendable {
    var stage = Stage.driven
    var forcesRaw = false
  }

  var devices: [Device]
  /// Scrubs that are complete; one is when the write that asked for it returns.
  var scrubs: UInt64 = 0
  var scrubsOnError = false

  init(devices count: Int) { devices = Array(repeating: Device(), count: count) }
}

extension BusState {
  /// Does what the kernel does when `bytes` are written to `attribute`.
  ///
  /// - Returns: whether a scrub is wanted.
  /// - Throws: what `write(2)` fails with. The state may have changed nevertheless: see `bindNamespace`.
  mutating func write(
    _ bytes: [UInt8], to attribute: BusAttribute, devices names: [EmulatedDevice]
  ) throws(Errno) -> Bool {
    let text = AttributeText(bytes)
    switch attribute {
    case .scrub:
      guard try text.number() == 1 else { throw .invalidArgument }
      return true
    case .scrubOnError:
      switch try text.number() {
      case 0: scrubsOnError = false
      case 1: scrubsOnError = true
      default: throw .invalidArgument
      }
    case .deepFlush:
      // What the processor has not written yet is to become durable: nothing is held back here.
      guard try text.flag() else { throw .invalidArgument }
    case .forceRaw(let device):
      devices[device].forcesRaw = try text.flag()
    case .holdersNamespace(let device):
      try setNamespace(text.trimmed, of: device)
    case .bind(let driver):
      try bind(text.line, to: driver, names)
    case .unbind(let driver):
      try unbind(text.line, from: driver, names)
    case .newIdentifier:
      try checkIdentifier(text.line)
      // `driver_attach`: device_dax takes every device that no driver has, whatever was written.
      for device in devices.indices where devices[device].stage == .probed {
        devices[device].stage = .driven
      }
    case .removeIdentifier:
      // device_dax matches without identifiers: there is none to remove.
      try checkIdentifier(text.line)
    }
    return false
  }

  /// Source: `nd_namespace_store`, drivers/nvdimm/claim.c.
  private mutating func setNamespace(_ name: String, of device: Int) throws(Errno) {
    if devices[device].stage > .claimed { throw .resourceBusy }
    if name.isEmpty {
      // `nd_detach_and_reset`: a holder without namespace that is not the seed is unregistered.
      devices[device].stage = .released
    } else if name.hasPrefix("namespace") {
      throw .resourceBusy
    } else {
      throw .invalidArgument
    }
  }

  /// Source: `bind_store`, drivers/base/bus.c: no such device and no match are both ENODEV, a driver's error is passed on.
  private mutating func bind(
    _ name: String, to driver: BusDriver, _ names: [EmulatedDevice]
  ) throws(Errno) {
    switch driver {
    case .ndPmem:
      guard let device = names.firstIndex(where: { $0.namespaceName == name }) else {
        throw .operationNotSupportedByDevice
      }
      guard names[device].isDax else {
        if devices[device].stage == .driven { throw .resourceBusy }
        devices[device].stage = .driven
        return
      }
      try bindNamespace(device)
    case .daxPmem:
      if let device = names.firstIndex(where: { $0.isDax && $0.holderName == name }),
        devices[device].stage >= .claimed
      {
        if devices[device].stage > .claimed { throw .resourceBusy }
        devices[device].stage = .driven
        return
      }
      // A seed has no namespace, and its probe says so in the same words as a device that is not there.
      throw .operationNotSupportedByDevice
    case .deviceDax:
      guard let device = names.firstIndex(where: { $0.isDax && $0.name == name }),
        devices[device].stage >= .probed
      else { throw .operationNotSupportedByDevice }
      if devices[device].stage == .driven { throw .resourceBusy }
      devices[device].stage = .driven
    }
  }

  /// `nd_pmem` finds the label of a dax device in the namespace, makes the device and leaves the namespace to it: so the write
  /// fails with ENXIO, and the device is there. With `force_raw` it would drive the namespace itself, as a block device; there
  /// are none here.
  ///
  /// Source: `nd_pmem_probe`, `nd_dax_probe`.
  private mutating func bindNamespace(_ device: Int) throws(Errno) {
    if devices[device].stage == .released, !devices[device].forcesRaw {
      devices[device].stage = .driven
    }
    throw .noSuchAddressOrDevice
  }

  /// "dax0.0" and nothing else. Source: `do_id_store`, drivers/dax/bus.c.
  private func checkIdentifier(_ name: String) throws(Errno) {
    let numbers = name.dropFirst(3).split(separator: ".", omittingEmptySubsequences: false)
    guard name.hasPrefix("dax"), numbers.count == 2,
      numbers.allSatisfy({ text in Int32(text).map { "\($0)" == text } == true })
    else { throw .invalidArgument }
  }

  /// Source: `unbind_store`, drivers/base/bus.c: a device that has not this driver is ENODEV.
  private mutating func unbind(
    _ name: String, from driver: BusDriver, _ names: [EmulatedDevice]
  ) throws(Errno) {
    switch driver {
    case .ndPmem:
      guard let device = names.firstIndex(where: { !$0.isDax && $0.namespaceName == name }),
        devices[device].stage == .driven
      else { throw .operationNotSupportedByDevice }
      devices[device].stage = .released
    case .daxPmem:
      guard let device = names.firstIndex(where: { $0.isDax && $0.holderName == name }),
        devices[device].stage > .claimed
      else { throw .operationNotSupportedByDevice }
      devices[device].stage = .claimed
    case .deviceDax:
      guard let device = names.firstIndex(where: { $0.isDax && $0.name == name }),
        devices[device].stage == .driven
      else { throw .operationNotSupportedByDevice }
      devices[device].stage = .probed
    }
  }
}
