internal import DaxModel
internal import MemoryFailure
internal import PmemBase

/// The machine that a scenario runs on, without its processes: four NVDIMMs of 512 MiB, of which two are device-dax.
///
/// dax0.0 is aligned to 2 MiB, dax1.0 to 4 KiB; pmem2 and pmem3 are for XFS and ext4. The sizes are those of namespaces
/// whose page descriptors are on the device itself.
struct Machine {
  /// Where the page of zeroes is; ordinary memory, below every region.
  static let zeroPage: UInt64 = 0x200_0000

  let kernel: KernelBehavior
  var regions: [Region]
  /// Each life of a device is one: after disable and enable a new one is appended.
  var devices: [SimulatedDevice] = []
  /// The fs-dax namespaces that have been asked for.
  var blocks: [Int: BlockDevice] = [:]
  /// What is mounted on /mnt.
  var mounted: Int?
  /// Where private copies are: ordinary memory too.
  let frames = AnonymousFrames(first: 0x800_0000 >> 12)
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
    let bases: [UInt64] = [0x1_0000_0000, 0x1_4000_0000, 0x1_2000_0000, 0x1_6000_0000]
    regions = bases.enumerated().map { number, base in
      Region(
        number: number, base: base, dataOffset: 10 << 20, dataSize: 502 << 20,
        isBlock: number > 1, alignment: number == 0 ? .huge : .base, bus: .emulated)
    }
  }

  /// A namespace on the test bus, 32 or 64 MiB with 2 MiB for its descriptors; it takes the number's place.
  mutating func addTestNamespace(_ number: Int, isBlock: Bool) {
    regions.append(
      Region(
        number: number, base: 0x2_0000_0000 + UInt64(regions.count) << 30, dataOffset: 2 << 20,
        dataSize: number == 0 ? 30 << 20 : 62 << 20, isBlock: isBlock, bus: .test))
  }

  /// The region of that number; the newest, if there are several.
  func region(numbered number: Int) -> Int? {
    regions.lastIndex { $0.number == number }
  }

  /// The device of that name, as it is now. It is made when it is first asked for.
  mutating func device(named name: String) -> Int? {
    if let index = devices.lastIndex(where: { $0.name == name }) {
      return devices[index].state == .gone ? nil : index
    }
    guard let region = namespace(ofDevice: name) else { return nil }
    return addDevice(region)
  }

  /// A new life of a region's device.
  mutating func addDevice(_ region: Int) -> Int {
    let geometry = DeviceGeometry(
      size: regions[region].dataSize, alignment: regions[region].alignment)
    devices.append(
      SimulatedDevice(
        name: regions[region].device, region: region, geometry: geometry, kernel: kernel))
    return devices.count - 1
  }

  /// The device's name in `/dev/dax0.0`.
  static func deviceName(path: String) -> String? {
    guard path.hasPrefix("/dev/dax") else { return nil }
    return String(path.dropFirst("/dev/".count))
  }

  /// The region of a device-dax device.
  func namespace(ofDevice name: String) -> Int? {
    regions.lastIndex { !$0.isBlock && $0.device == name }
  }

  /// The region of a block device.
  func namespace(ofBlockDevice name: String) -> Int? {
    regions.lastIndex { $0.isBlock && $0.device == name }
  }

  /// Where the namespace's data begins.
  func dataStart(_ region: Int) -> UInt64 { regions[region].dataStart }

  /// The region that holds a physical address.
  func region(at physical: UInt64) -> Int? {
    regions.firstIndex { $0.contains(physical) }
  }
}
