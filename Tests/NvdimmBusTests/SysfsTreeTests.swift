internal import Foundation
internal import NvdimmBus
import Testing

@Suite struct `the sysfs tree` {
  static let bus = EmulatedBus(number: 0, major: 254, minor: 0)
  static let device = EmulatedDevice(
    region: 0, size: 64 << 20, alignment: 2 << 20, resource: 0x240_0000_0000, major: 252, minor: 0,
    uuid: "6f3c7c2e-0001-8000-8000-50f7da000001")

  /// Each of these, taken away, breaks at least one of daxctl, ndctl, daxio, pmempool and fio.
  static let loadBearing: [(path: String, text: String)] = {
    let bus = "class/nd/ndctl0/device"
    let region = "bus/nd/devices/region0"
    let namespace = "\(region)/namespace0.0"
    let holder = "\(region)/dax0.1"
    return [
      ("bus/dax/devices/dax0.0/size", "67108864\n"),
      ("dev/char/252:0/size", "67108864\n"),
      ("class/nd/ndctl0/dev", "254:0\n"),
      ("dev/char/254:0/dev", "254:0\n"),
      ("\(bus)/commands", "ars_cap ars_start ars_status clear_error cmd_call \n"),
      ("\(bus)/provider", "softdax.0\n"),
      ("\(bus)/nfit/revision", "1\n"),
      ("\(bus)/nfit/dsm_mask", "0x3be\n"),
      ("\(bus)/nfit/scrub", "0\n"),
      ("\(region)/size", "67108864\n"),
      ("\(region)/mappings", "0\n"),
      ("\(region)/read_only", "0\n"),
      ("\(region)/modalias", "nd:t2\n"),
      ("\(region)/nstype", "5\n"),
      ("\(region)/set_cookie", "0x6f3c7c2e00018000\n"),
      ("\(region)/resource", "0x24000000000\n"),
      ("\(namespace)/nstype", "5\n"),
      ("\(namespace)/size", "67108864\n"),
      ("\(namespace)/force_raw", "0\n"),
      ("\(namespace)/alt_name", "\n"),
      ("\(namespace)/uuid", "6f3c7c2e-0001-8000-8000-50f7da000001\n"),
      ("\(namespace)/modalias", "nd:t5\n"),
      ("\(namespace)/holder", "dax0.1\n"),
      ("\(holder)/modalias", "nd:t7\n"),
      ("\(holder)/uuid", "6f3c7c2e-0001-8000-8000-50f7da000001\n"),
      ("\(holder)/mode", "pmem\n"),
      ("\(holder)/align", "2097152\n"),
      ("\(holder)/resource", "0x24000000000\n"),
      ("\(holder)/size", "67108864\n"),
    ]
  }()

  /// The links among them, and where they must lead.
  static let loadBearingLinks = [
    ("bus/dax/devices/dax0.0", "/sys/devices/platform/softdax.0/ndbus0/region0/dax0.1/dax0.0"),
    ("dev/char/252:0/subsystem", "/sys/bus/dax"),
    ("bus/nd/devices/dax0.1/dax0.0/driver", "/sys/bus/dax/drivers/device_dax"),
    ("dev/char/254:0/device", "/sys/devices/platform/softdax.0/ndbus0"),
    ("bus/nd/devices/dax0.1/driver", "/sys/bus/nd/drivers/dax_pmem"),
  ]

  @Test func `has every node that a client cannot do without`() throws {
    let tree = try TemporaryTree([Self.device], bus: Self.bus)
    #expect(Self.loadBearing.count + Self.loadBearingLinks.count == 34)
    for node in Self.loadBearing {
      let text = try? tree.text(node.path)
      #expect(text == node.text, "\(node.path)")
    }
    for (path, target) in Self.loadBearingLinks {
      #expect(tree.resolved(path) == target, "\(path)")
    }
  }

  /// QEMU does not resolve the link: it looks at how its text ends.
  @Test func `names the dax bus in the text of the subsystem link`() throws {
    let tree = try TemporaryTree([Self.device], bus: Self.bus)
    #expect(try tree.linkText("dev/char/252:0/subsystem") == "../../../../../../../bus/dax")
    #expect(
      try tree.linkText("dev/char/252:0")
        == "../../devices/platform/softdax.0/ndbus0/region0/dax0.1/dax0.0")
  }

  @Test(arguments: [0, 1, 2, 17])
  func `has no link that leads out of it or nowhere`(count: Int) throws {
    let tree = try TemporaryTree(Self.devices(count), bus: Self.bus)
    let all = tree.everything()
    #expect(all.count > 10 + 90 * count)
    var links = 0
    for path in all {
      guard let target = try? tree.linkText(path) else { continue }
      links += 1
      #expect(!target.hasPrefix("/"), "\(path)")
      #expect(tree.resolved(path)?.hasPrefix("/sys/") == true, "\(path) -> \(target)")
    }
    // The check above must have had something to check.
    #expect(links >= 8 + 17 * count)
  }

  /// Each device needs nodes of its own; one that overwrites another's would vanish from a listing.
  @Test func `gives several devices as many nodes each`() {
    let none = SysfsTree(devices: [], bus: Self.bus).nodes.count
    let one = SysfsTree(devices: Self.devices(1), bus: Self.bus).nodes.count
    for count in [2, 3, 64] {
      let many = SysfsTree(devices: Self.devices(count), bus: Self.bus).nodes.count
      #expect(many == none + count * (one - none))
    }
  }

  @Test func `keeps several devices apart`() throws {
    let tree = try TemporaryTree(Self.devices(3), bus: Self.bus)
    for region in 0..<3 {
      let name = "dax\(region).0"
      let size = UInt64(region + 1) << 30
      #expect(try tree.text("bus/dax/devices/\(name)/size") == "\(size)\n")
      #expect(try tree.text("dev/char/252:\(region)/size") == "\(size)\n")
      #expect(
        try tree.text("bus/nd/devices/region\(region)/namespace\(region).0/size") == "\(size)\n")
      #expect(try tree.text("bus/nd/devices/dax\(region).1/dax_region/id") == "\(region)\n")
      #expect(
        try tree.text("dev/char/252:\(region)/uevent")
          == "MAJOR=252\nMINOR=\(region)\nDEVNAME=\(name)\nDRIVER=device_dax\nMODALIAS=dax:t0\n")
    }
  }

  /// A seed that looked like a device would be one too many in `ndctl list`.
  @Test func `shows the seed as idle`() throws {
    let tree = try TemporaryTree([Self.device], bus: Self.bus)
    #expect(try tree.text("bus/nd/devices/region0/dax_seed") == "dax0.0\n")
    #expect(try tree.text("bus/nd/devices/dax0.0/namespace") == "\n")
    #expect(tree.resolved("bus/nd/devices/dax0.0/driver") == nil)
    #expect(tree.resolved("bus/nd/devices/dax0.0/size") == nil)
  }

  @Test func `hides the target node of memory that has none`() throws {
    let device = EmulatedDevice(
      region: 0, size: 4096, alignment: 4096, resource: 0, major: 252, minor: 0, targetNode: -1,
      uuid: "")
    let tree = try TemporaryTree([device], bus: Self.bus)
    #expect(tree.resolved("bus/dax/devices/dax0.0/target_node") == nil)
    #expect(try tree.text("bus/dax/devices/dax0.0/numa_node") == "0\n")
    #expect(try tree.text("bus/nd/devices/region0/align") == "0x1000\n")
    #expect(try tree.text("bus/dax/devices/dax0.0/resource") == "0\n")
  }

  /// A stale tree must not be mixed with a new one.
  @Test func `refuses a directory that has one already`() throws {
    let tree = try TemporaryTree([Self.device], bus: Self.bus)
    #expect {
      try SysfsTree(devices: [Self.device], bus: Self.bus).write(into: tree.directory)
    } throws: {
      "\($0)".hasSuffix("exists already; the session directory must be empty")
    }
  }

  @Test func `says which path it could not make`() throws {
    #expect {
      try SysfsTree(devices: [], bus: Self.bus).write(into: "/proc/nonexistent")
    } throws: {
      "\($0)" == "cannot create /proc/nonexistent/sys: No such file or directory"
    }
  }

  /// Catches a mode that is not the kernel's: what the shim refuses or lets through depends on it alone.
  @Test func `can be written where the kernel's can be`() throws {
    let tree = try TemporaryTree([Self.device], bus: Self.bus)
    var modes: [String: Int] = [:]
    for path in tree.everything() {
      let attributes = try FileManager.default.attributesOfItem(
        atPath: "\(tree.directory)/sys/\(path)")
      guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
      modes[path] = try #require(attributes[.posixPermissions] as? Int)
    }
    let writable = modes.filter { $0.value != 0o444 }
    let bus = "devices/platform/softdax.0/ndbus0"
    let drivers = [
      "bus/nd/drivers/nd_pmem", "bus/nd/drivers/dax_pmem", "bus/dax/drivers/device_dax",
    ]
    var expected: [String: Int] = [
      "\(bus)/nfit/scrub": 0o644, "\(bus)/nfit/hw_error_scrub": 0o644,
      "\(bus)/region0/deep_flush": 0o644, "\(bus)/region0/namespace0.0/force_raw": 0o644,
      "\(bus)/region0/dax0.1/namespace": 0o644,
      "bus/dax/drivers/device_dax/new_id": 0o200, "bus/dax/drivers/device_dax/remove_id": 0o200,
    ]
    for driver in drivers {
      expected["\(driver)/bind"] = 0o200
      expected["\(driver)/unbind"] = 0o200
    }
    #expect(writable == expected)
  }

  static func devices(_ count: Int) -> [EmulatedDevice] {
    (0..<count).map {
      EmulatedDevice(
        region: $0, size: UInt64($0 + 1) << 30, alignment: 4096, resource: UInt64($0 + 64) << 34,
        major: 252, minor: UInt32($0), uuid: "6f3c7c2e-0001-8000-8000-50f7da00000\($0)")
    }
  }
}
