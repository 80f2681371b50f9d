internal import LinuxSys
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import NvdimmBus

@Suite struct `what is written to an attribute` {
  private static let success = Errno(rawValue: 0)
  private static let noDevice = Errno.operationNotSupportedByDevice

  /// Catches a text that the kernel takes and we refuse, or the other way round; and a refused one that changed something.
  @Test(arguments: [
    (Rig.scrub, "1\n", success, "1\n"), (Rig.scrub, "1\n\0", success, "1\n"),
    (Rig.scrub, "1", success, "1\n"), (Rig.scrub, "0x1", success, "1\n"),
    (Rig.scrub, "01", success, "1\n"), (Rig.scrub, "+1", success, "1\n"),
    (Rig.scrub, "2\n", .invalidArgument, "0\n"), (Rig.scrub, "", .invalidArgument, "0\n"),
    (Rig.scrub, "1 ", .invalidArgument, "0\n"), (Rig.scrub, " 1", .invalidArgument, "0\n"),
    (Rig.scrub, "1\n\n", .invalidArgument, "0\n"), (Rig.scrub, "-1", .invalidArgument, "0\n"),
    (Rig.scrub, "+-1", .invalidArgument, "0\n"), (Rig.scrub, "08", .invalidArgument, "0\n"),
    (Rig.scrub, "99999999999999999999", .outOfRange, "0\n"),
    (Rig.scrub, "\0001", .invalidArgument, "0\n"),
    ("class/nd/ndctl0/device/nfit/hw_error_scrub", "1", success, "1\n"),
    ("class/nd/ndctl0/device/nfit/hw_error_scrub", "0", success, "0\n"),
    ("class/nd/ndctl0/device/nfit/hw_error_scrub", "2", .invalidArgument, "0\n"),
    ("bus/nd/devices/region0/deep_flush", "1", success, "1\n"),
    ("bus/nd/devices/region0/deep_flush", "yes", success, "1\n"),
    ("bus/nd/devices/region0/deep_flush", "0", .invalidArgument, "1\n"),
    ("bus/nd/devices/region0/deep_flush", "", .invalidArgument, "1\n"),
    ("bus/nd/devices/namespace0.0/force_raw", "1\n", success, "1\n"),
    ("bus/nd/devices/namespace0.0/force_raw", "on", success, "1\n"),
    ("bus/nd/devices/namespace0.0/force_raw", "off", success, "0\n"),
    ("bus/nd/devices/namespace0.0/force_raw", "o", .invalidArgument, "0\n"),
    ("bus/nd/devices/namespace0.0/force_raw", "2", .invalidArgument, "0\n"),
    ("bus/nd/devices/dax0.1/namespace", "\n", .resourceBusy, "namespace0.0\n"),
    ("bus/nd/devices/dax0.1/namespace", "rubbish", .resourceBusy, "namespace0.0\n"),
  ])
  func `is taken as the kernel takes it`(
    path: String, text: String, errno: Errno, reads: String
  ) throws {
    let rig = try Rig()
    #expect(rig.write(text, to: path) == errno)
    #expect(rig.text(path) == reads)
  }

  /// Catches a driver that takes a device of another kind, one twice, or one that is not there.
  @Test(arguments: [
    ("bus/nd/drivers/nd_pmem/bind", "namespace0.0", Errno.noSuchAddressOrDevice),
    ("bus/nd/drivers/nd_pmem/bind", "namespace7.0", noDevice),
    ("bus/nd/drivers/nd_pmem/bind", "dax0.1", noDevice),
    ("bus/nd/drivers/nd_pmem/bind", "", noDevice),
    ("bus/nd/drivers/nd_pmem/unbind", "namespace0.0", noDevice),
    ("bus/nd/drivers/dax_pmem/bind", "dax0.1", .resourceBusy),
    ("bus/nd/drivers/dax_pmem/bind", "dax0.1\n\0", .resourceBusy),
    ("bus/nd/drivers/dax_pmem/bind", "dax0.0", noDevice),
    ("bus/nd/drivers/dax_pmem/unbind", "dax0.0", noDevice),
    ("bus/nd/drivers/dax_pmem/unbind", "dax0.1 ", noDevice),
    ("bus/dax/drivers/device_dax/bind", "dax0.0", .resourceBusy),
    ("bus/dax/drivers/device_dax/bind", "dax0.1", noDevice),
    ("bus/dax/drivers/device_dax/unbind", "dax9.0", noDevice),
    ("bus/dax/drivers/device_dax/new_id", "dax0.0", success),
    ("bus/dax/drivers/device_dax/new_id", "dax0", .invalidArgument),
    ("bus/dax/drivers/device_dax/new_id", "dax0.00", .invalidArgument),
    ("bus/dax/drivers/device_dax/remove_id", "dax0.0\n", success),
    ("bus/dax/drivers/device_dax/remove_id", "pmem0.0", .invalidArgument),
  ])
  func `binds nothing that is bound or unknown`(path: String, text: String, errno: Errno) throws {
    let rig = try Rig()
    let before = rig.everything()
    #expect(rig.write(text, to: path) == errno)
    #expect(rig.everything() == before)
    #expect(rig.media.isEnabled(device: 0) && rig.media.isEnabled(device: 1))
  }

  /// Catches a disabled namespace that lists as enabled, a node that stays, and the neighbour disabled with it; twice.
  @Test func `disables a namespace as ndctl does it, and enables it again`() throws {
    let rig = try Rig()
    let start = rig.everything()
    for _ in 0..<2 {
      #expect(rig.write("dax0.1", to: "bus/nd/devices/dax0.1/driver/unbind") == Self.success)
      #expect(!rig.media.isEnabled(device: 0) && rig.media.isEnabled(device: 1))
      #expect(!rig.exists("bus/dax/devices/dax0.0") && !rig.exists("dev/char/252:0"))
      #expect(!rig.exists("../dev/dax0.0") && rig.exists("../dev/dax1.0"))
      #expect(!rig.exists("bus/nd/devices/dax0.1/driver"))
      #expect(rig.write("rubbish", to: "bus/nd/devices/dax0.1/namespace") == .invalidArgument)
      #expect(
        rig.write("namespace0.0", to: "bus/nd/devices/dax0.1/namespace") == .resourceBusy)
      #expect(rig.write("\n\0", to: "bus/nd/devices/dax0.1/namespace") == Self.success)
      #expect(!rig.exists("bus/nd/devices/dax0.1"))
      #expect(rig.text("bus/nd/devices/namespace0.0/holder") == "\n")
      #expect(rig.text("bus/nd/devices/namespace0.0/mode") == "raw\n")
      #expect(rig.exists("bus/dax/devices/dax1.0/driver"))

      // nd_pmem gives the namespace up to the dax device that it found, and says so.
      #expect(
        rig.write("namespace0.0", to: "bus/nd/drivers/nd_pmem/bind") == .noSuchAddressOrDevice)
      #expect(rig.everything() == start)
      #expect(rig.media.isEnabled(device: 0) && rig.exists("../dev/dax0.0"))
    }
  }

  /// Catches a device without driver that can be opened, or that vanishes.
  @Test func `disables a device as daxctl does it, and enables it again`() throws {
    let rig = try Rig()
    let start = rig.everything()
    let unbind = "bus/dax/drivers/device_dax/unbind"
    let mode = { try Folder.owner("\(rig.directory)/dev/dax1.0").mode & 0o7777 }
    for bind in ["bind", "new_id"] {
      #expect(rig.write("dax1.0", to: unbind) == Self.success)
      #expect(rig.write("dax1.0", to: unbind) == Self.noDevice)
      #expect(rig.exists("bus/dax/devices/dax1.0"))
      #expect(!rig.exists("bus/dax/devices/dax1.0/driver"))
      #expect(try mode() == 0o1600)
      #expect(!rig.media.isEnabled(device: 1) && rig.media.isEnabled(device: 0))
      #expect(rig.write("dax1.0", to: "bus/dax/drivers/device_dax/\(bind)") == Self.success)
      #expect(rig.everything() == start)
      #expect(try mode() == 0o600)
      #expect(rig.media.isEnabled(device: 1))
    }
  }

  /// Catches a block device where there is none.
  @Test func `a namespace that must be raw stays without driver`() throws {
    let rig = try Rig()
    #expect(rig.write("dax0.1", to: "bus/nd/drivers/dax_pmem/unbind") == Self.success)
    #expect(rig.write("", to: "bus/nd/devices/dax0.1/namespace") == Self.success)
    #expect(rig.write("1", to: "bus/nd/devices/namespace0.0/force_raw") == Self.success)
    let bind = "bus/nd/drivers/nd_pmem/bind"
    #expect(rig.write("namespace0.0", to: bind) == .noSuchAddressOrDevice)
    #expect(!rig.exists("bus/nd/devices/dax0.1"))
    #expect(rig.write("0", to: "bus/nd/devices/namespace0.0/force_raw") == Self.success)
    #expect(rig.write("namespace0.0", to: bind) == .noSuchAddressOrDevice)
    #expect(rig.exists("bus/nd/devices/dax0.1/driver"))
  }

  /// Catches an order of writes after which the tree and the drivers are of two minds.
  @Test(arguments: SeededGenerator.seeds([1, 2, 3]))
  func `leaves one machine in any order`(seed: UInt64) throws {
    let rig = try Rig()
    let start = rig.everything()
    var random = SeededGenerator(seed: seed)
    let names = ["namespace0.0", "dax0.0", "dax0.1", "dax1.1", "\n", "1", ""]
    let steps: [(path: String, name: String)] = Rig.devices.flatMap {
      [
        ("bus/nd/drivers/nd_pmem/bind", $0.namespaceName),
        ("bus/nd/drivers/dax_pmem/bind", $0.holderName),
        ("bus/nd/drivers/dax_pmem/unbind", $0.holderName),
        ("bus/dax/drivers/device_dax/bind", $0.name),
        ("bus/dax/drivers/device_dax/unbind", $0.name),
        ("bus/nd/devices/\($0.holderName)/namespace", "\n"),
      ]
    }
    var old = start
    var changes = 0
    for _ in 0..<100 {
      let step = steps.randomElement(using: &random)!
      let isSensible = random.next() % 4 != 0
      _ = rig.write(
        isSensible ? step.name : names.randomElement(using: &random)!, to: step.path)
      let new = rig.everything()
      changes += old == new ? 0 : 1
      old = new
      for (number, device) in Rig.devices.enumerated() {
        let isDriven = rig.exists("bus/dax/devices/\(device.name)/driver")
        #expect(rig.media.isEnabled(device: number) == isDriven)
        #expect(
          rig.exists("../dev/\(device.name)") == rig.exists("bus/dax/devices/\(device.name)"))
        let holder = rig.text("bus/nd/devices/\(device.namespaceName)/holder")
        #expect((holder != "\n") == rig.exists("bus/nd/devices/\(device.holderName)"))
      }
    }
    #expect(changes > 10)
    for device in Rig.devices {
      _ = rig.write(device.name, to: "bus/dax/drivers/device_dax/bind")
      _ = rig.write(device.holderName, to: "bus/nd/drivers/dax_pmem/bind")
      _ = rig.write(device.namespaceName, to: "bus/nd/drivers/nd_pmem/bind")
    }
    #expect(rig.everything() == start)
  }

  /// Catches a file that is replaced: ndctl holds `scrub` open while it waits.
  @Test func `shows in a file that was open before`() throws {
    let rig = try Rig()
    let path = try Folder.canonical("\(rig.directory)/sys/\(Rig.scrub)")
    let before = try Folder.identity(path)
    for count in 1...12 {
      #expect(rig.write("1", to: Rig.scrub) == Self.success)
      #expect(rig.text(Rig.scrub) == "\(count)\n")
    }
    #expect(try Folder.identity(path).inode == before.inode)
  }

  /// Catches an attribute that is found by a file that is none, or no longer.
  @Test func `is refused for a file that is no attribute`() throws {
    let rig = try Rig()
    #expect(rig.write("1", to: "bus/nd/devices/region0/size") == Self.noDevice)
    #expect(
      throws: Self.noDevice,
      performing: {
        try rig.bus.write([0x31], to: NvdimmBus.FileIdentity(device: 0, inode: 0))
      })
  }
}
