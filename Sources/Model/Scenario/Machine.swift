internal import DaxModel
internal import MemoryFailure
internal import PmemBase

/// The machine that a scenario runs on, without its processes: four NVDIMMs of 512 MiB, of which two are device-dax.
///
/// dax0.0 is aligned to 2 MiB, dax1.0 to 4 KiB; pmem2 and pmem3 are for XFS and ext4. The sizes are those of namespaces
/// whose page descriptors are on the device itself.
struct Machine {
  struct Region {
    /// Physical address.
    let base: UInt64
    let media = RegionMedia()
  }

  /// Where the page of zeroes is; ordinary memory, below every region.
  static let zeroPage: UInt64 = 0x200_0000
  /// Where private copies are.
  static let copies: UInt64 = 0x800_0000

  static let regionSize: UInt64 = 512 << 20
  /// Descriptors and labels come before the data of a namespace.
  static let dataOffset: UInt64 = 10 << 20
  static let namespaceSize: UInt64 = regionSize - dataOffset

  let kernel: KernelBehavior
  var regions: [Region]
  /// Each life of a device is one: after disable and enable a new one is appended.
  var devices: [SimulatedDevice] = []
  /// The fs-dax namespaces that have been asked for.
  var blocks: [Int: BlockDevice] = [:]
  /// What is mounted on /mnt.
  var mounted: Int?
  /// Whose private copies have been asked for by address: a frame each.
  var frames: [(process: Int, page: UInt64)] = []
  var contents = Contents()
  /// `vm.memory_failure_early_kill`
  var earlyKill = false
  /// `vm.memory_failure_recovery`
  var recovers = true
  var variables: [String: String] = [:]
  /// Files that shell lines keep outside of /mnt.
  var temporary: [String: String] = [:]
  /// `HardwareCorrupted` in pages.
  var poisonedPages = 0

  init(kernel: KernelBehavior) {
    self.kernel = kernel
    regions = [0x1_0000_0000, 0x1_4000_0000, 0x1_2000_0000, 0x1_6000_0000].map {
      Region(base: $0)
    }
  }

  /// The device of that name, as it is now. It is made when it is first asked for.
  mutating func device(named name: String) -> Int? {
    if let index = devices.lastIndex(where: { $0.name == name }) {
      return devices[index].state == .gone ? nil : index
    }
    guard let namespace = Self.namespace(ofDevice: name) else { return nil }
    return addDevice(namespace)
  }

  /// A new life of the namespace's device.
  mutating func addDevice(_ namespace: Int) -> Int {
    let geometry = DeviceGeometry(
      size: Self.namespaceSize, alignment: namespace == 0 ? .huge : .base)
    devices.append(
      SimulatedDevice(
        name: "dax\(namespace).0", region: namespace, geometry: geometry, kernel: kernel))
    return devices.count - 1
  }

  /// The device's name in `/dev/dax0.0`.
  static func deviceName(path: String) -> String? {
    guard path.hasPrefix("/dev/dax") else { return nil }
    return String(path.dropFirst("/dev/".count))
  }

  static func namespace(ofDevice name: String) -> Int? {
    switch name {
    case "dax0.0": 0
    case "dax1.0": 1
    default: nil
    }
  }

  static func namespace(ofBlockDevice name: String) -> Int? {
    switch name {
    case "pmem2": 2
    case "pmem3": 3
    default: nil
    }
  }

  /// Where the namespace's data begins.
  func dataStart(_ namespace: Int) -> UInt64 { regions[namespace].base + Self.dataOffset }

  /// The region that holds a physical address.
  func region(at physical: UInt64) -> Int? {
    regions.firstIndex { $0.base <= physical && physical - $0.base < Self.regionSize }
  }
}
