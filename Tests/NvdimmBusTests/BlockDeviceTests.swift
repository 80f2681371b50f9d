import SystemPackage
import Testing

@testable import NvdimmBus

@Suite struct `A namespace that is a block device` {
  private static let devices = [
    Rig.devices[0],
    EmulatedDevice(
      kind: .fsdax, region: 1, size: 32 << 20, alignment: 4096,
      resource: 1 << 46, major: 259, minor: 0, uuid: "6f3c7c2e-0003-8000-8000-50f7da000003"),
  ]

  /// Catches a driver that takes what another has, a block device without driver, errors that are of another device.
  @Test func `has nd_pmem as its driver, which can be unbound and bound`() throws {
    let rig = try Rig(devices: Self.devices)
    let place = "bus/nd/devices/namespace1.0"
    let block = "\(place)/driver"
    let drivers = "bus/nd/drivers"
    #expect(rig.text("\(place)/mode") == "memory\n")
    #expect(rig.text("\(place)/holder") == "\n")
    #expect(rig.text("\(drivers)/nd_pmem/namespace1.0/mode") == "memory\n")
    #expect(!rig.exists("bus/nd/devices/dax1.1") && !rig.exists("bus/dax/devices/dax1.0"))

    // A device of another driver, and of none, is ENODEV.
    for name in ["namespace0.0", "namespace2.0", "pmem0", "dax1.0"] {
      #expect(
        rig.write(name, to: "\(drivers)/nd_pmem/unbind") == .operationNotSupportedByDevice)
    }
    for driver in ["nd/drivers/dax_pmem", "dax/drivers/device_dax"] {
      for way in ["bind", "unbind"] {
        for name in ["dax1.0", "dax1.1"] {
          #expect(
            rig.write(name, to: "bus/\(driver)/\(way)") == .operationNotSupportedByDevice)
        }
      }
    }
    #expect(rig.write("namespace1.0", to: "\(drivers)/nd_pmem/bind") == .resourceBusy)

    #expect(rig.write("namespace1.0\n", to: "\(drivers)/nd_pmem/unbind") == Errno(rawValue: 0))
    #expect(!rig.exists(block) && !rig.exists("\(drivers)/nd_pmem/namespace1.0"))
    #expect(rig.text("\(place)/mode") == "memory\n")
    #expect(throws: Errno.operationNotSupportedByDevice) { try rig.bus.unbind(device: 1) }
    #expect(throws: Errno.operationNotSupportedByDevice) { try rig.bus.unbind(device: 0) }
    #expect(rig.text("bus/nd/devices/namespace0.0/mode") == "dax\n")

    #expect(rig.write("namespace1.0", to: "\(drivers)/nd_pmem/bind") == Errno(rawValue: 0))
    #expect(rig.exists(block))
    try rig.bus.unbind(device: 1)
    #expect(!rig.exists(block))
  }

  /// Catches errors of another device.
  @Test func `lists its bad blocks at the region`() throws {
    let rig = try Rig(devices: Self.devices)
    rig.media.inject(device: 1, bytes: 4096..<8192)
    rig.bus.startScrub()
    #expect(rig.text("bus/nd/devices/region1/badblocks") == "8 8\n")
    #expect(rig.text("bus/nd/devices/region0/badblocks") == "")
  }
}
