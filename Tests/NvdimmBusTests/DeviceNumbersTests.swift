internal import Foundation
internal import NvdimmBus
import Testing

@Suite struct `device numbers` {
  typealias Number = HostDevices.Number

  /// Scripts and documentation say dax0.0: on an ordinary host it must be.
  @Test func `begin at dax0.0 where nothing real is`() throws {
    let numbers = try DeviceNumbers(avoiding: HostDevices(majors: ["dax": 252, "ndctl": 254]))
    let devices = try numbers.devices([(1 << 30, 4096), (2 << 30, 2 << 20)], session: "s")
    #expect(devices.map(\.name) == ["dax0.0", "dax1.0"])
    #expect(devices.map(\.namespaceName) == ["namespace0.0", "namespace1.0"])
    #expect(devices.map(\.holderName) == ["dax0.1", "dax1.1"])
    #expect(devices.map(\.major) == [252, 252])
    #expect(devices.map(\.minor) == [0, 1])
    #expect(numbers.bus == EmulatedBus(number: 0, major: 254, minor: 0))
  }

  @Test func `come after those of real devices`() throws {
    let host = HostDevices(
      majors: ["dax": 252, "ndctl": 254],
      numbers: [
        Number(major: 252, minor: 0), Number(major: 252, minor: 2), Number(major: 254, minor: 0),
      ],
      regions: [0, 3], buses: [0])
    let numbers = try DeviceNumbers(avoiding: host)
    let devices = try numbers.devices([(4096, 4096), (4096, 4096)], session: "s")
    #expect(devices.map(\.name) == ["dax4.0", "dax5.0"])
    #expect(devices.map(\.minor) == [1, 3])
    #expect(numbers.bus == EmulatedBus(number: 1, major: 254, minor: 1))
  }

  @Test func `use free majors where the kernel has no drivers`() throws {
    let numbers = try DeviceNumbers(avoiding: HostDevices(majors: ["x": 234, "y": 236]))
    #expect(numbers.major == 235)
    #expect(numbers.bus.major == 237)

    var taken = HostDevices()
    for major in 234...254 { taken.majors["driver\(major)"] = UInt32(major) }
    #expect(try DeviceNumbers(avoiding: taken).major == 384)
    for major in 384...511 { taken.majors["driver\(major)"] = UInt32(major) }
    #expect(throws: SysfsError.noMajorLeft) { try DeviceNumbers(avoiding: taken) }
  }

  @Test func `lay devices out without overlap`() throws {
    let numbers = try DeviceNumbers(avoiding: HostDevices())
    let shapes = (0..<64).map { _ in
      (size: UInt64.random(in: 1...(1 << 36)), alignment: UInt64(1) << 30)
    }
    let devices = try numbers.devices(shapes, session: "s")
    #expect(Set(devices.map(\.uuid)).count == 64)
    #expect(Set(devices.map(\.minor)).count == 64)
    for (device, next) in zip(devices, devices.dropFirst()) {
      #expect(device.resource + device.size <= next.resource)
      #expect(next.resource.isMultiple(of: 1 << 30))
    }
  }

  @Test func `refuse what no machine can address`() throws {
    let numbers = try DeviceNumbers(avoiding: HostDevices())
    #expect(throws: SysfsError.self) { try numbers.devices([(.max, 4096)], session: "s") }
    #expect(throws: SysfsError.self) {
      try numbers.devices([(1 << 51, 4096), (1 << 51, 4096), (1, 4096)], session: "s")
    }
  }

  /// A script that finds a namespace by its uuid must find it in the next run too.
  @Test func `name the same device the same in every run`() throws {
    func uuids(_ session: String) throws -> [String] {
      try DeviceNumbers(avoiding: HostDevices()).devices(
        [(4096, 4096), (4096, 4096)], session: session
      ).map(\.uuid)
    }
    #expect(try uuids("here") == uuids("here"))
    #expect(try Set(uuids("here") + uuids("there")).count == 4)
    for uuid in try uuids("here") {
      let parsed = try #require(UUID(uuidString: uuid))
      #expect(parsed.uuidString.lowercased() == uuid)
      #expect(parsed.uuid.6 >> 4 == 8 && parsed.uuid.8 >> 6 == 2)
    }
  }

  /// A copy of what a host with one real device shows.
  @Test func `are read from proc and sys`() throws {
    let root = try TemporaryTree.makeDirectory()
    defer { try? FileManager.default.removeItem(atPath: root) }
    for path in [
      "proc", "sys/dev/char/252:0", "sys/dev/char/1:3", "sys/bus/nd/devices/ndbus2",
      "sys/bus/nd/devices/region1", "sys/bus/nd/devices/namespace1.0", "sys/bus/dax/devices/dax7.0",
    ] {
      try FileManager.default.createDirectory(
        atPath: "\(root)/\(path)", withIntermediateDirectories: true)
    }
    try "Character devices:\n  1 mem\n252 dax\n254 ndctl\n\nBlock devices:\n253 dax\n".write(
      toFile: "\(root)/proc/devices", atomically: false, encoding: .utf8)
    #expect(
      HostDevices.survey(root: root)
        == HostDevices(
          majors: ["mem": 1, "dax": 252, "ndctl": 254],
          numbers: [Number(major: 252, minor: 0), Number(major: 1, minor: 3)],
          regions: [1, 7], buses: [2]))
    #expect(HostDevices.survey(root: "\(root)/nothing") == HostDevices())
  }

  /// Whatever this host has: its own major for "mem" shows that the survey reads the real files.
  @Test func `can be chosen for this host`() throws {
    let host = HostDevices.survey()
    #expect(host.majors["mem"] == 1)
    #expect(host.numbers.contains(Number(major: 1, minor: 3)))
    let numbers = try DeviceNumbers(avoiding: host)
    #expect(!host.buses.contains(numbers.bus.number))
  }
}
