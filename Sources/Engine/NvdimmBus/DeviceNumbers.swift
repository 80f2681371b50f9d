/// Device numbers and names that nothing real on this host has.
///
/// With no real device, as on nearly every machine, the first emulated one is dax0.0 on region0 and the
/// bus is ndbus0. With real ones the emulated take the numbers after them, so that a name or a
/// `/sys/dev/char` entry never means two things.
public struct DeviceNumbers: Sendable, Hashable {
  /// The bus for all devices.
  public let bus: EmulatedBus

  /// The major of every /dev/daxN.M.
  public let major: UInt32

  private let usedMinors: Set<UInt32>
  private let firstRegion: Int

  /// Where the first device claims to be: 1 TiB, above the memory of nearly all machines.
  private static let firstResource: UInt64 = 1 << 40
  private static let resourceAlignment: UInt64 = 1 << 30

  /// x86 and arm64 address at most 2^52 bytes of memory.
  private static let endOfResources: UInt64 = 1 << 52

  /// Chooses numbers that `host` does not use.
  ///
  /// - Throws: `SysfsError.noMajorLeft` if every dynamic character major is taken.
  public init(avoiding host: HostDevices) throws(SysfsError) {
    let used = Set(host.majors.values)
    let major = try Self.major(of: "dax", on: host, besides: used)
    let control = try Self.major(of: "ndctl", on: host, besides: used.union([major]))
    self.major = major
    self.usedMinors = host.minors(of: major)
    self.firstRegion = host.regions.max().map { $0 + 1 } ?? 0
    self.bus = EmulatedBus(
      number: host.buses.max().map { $0 + 1 } ?? 0, major: control,
      minor: Self.unusedMinors(host.minors(of: control), count: 1)[0])
  }

  /// Numbers, addresses and identities for devices of these sizes, in order.
  ///
  /// - Parameters:
  ///   - shapes: Size and alignment of each device, in bytes.
  ///   - session: Distinguishes the uuids of two servers; the same session and device get the same uuid.
  /// - Throws: `SysfsError.tooLarge` if together they exceed what a machine can address.
  public func devices(
    _ shapes: [(size: UInt64, alignment: UInt64)], session: String
  ) throws(SysfsError) -> [EmulatedDevice] {
    let minors = Self.unusedMinors(usedMinors, count: shapes.count)
    var devices: [EmulatedDevice] = []
    var resource = Self.firstResource
    for (index, shape) in shapes.enumerated() {
      guard shape.size <= Self.endOfResources - resource else {
        throw .tooLarge(size: shape.size, available: Self.endOfResources - resource)
      }
      let region = firstRegion + index
      devices.append(
        EmulatedDevice(
          region: region, size: shape.size, alignment: shape.alignment, resource: resource,
          major: major, minor: minors[index],
          uuid: DeviceIdentity.uuid(session: session, device: "dax\(region).0")))
      let end = resource + shape.size + Self.resourceAlignment - 1
      resource = min(Self.endOfResources, end / Self.resourceAlignment * Self.resourceAlignment)
    }
    return devices
  }

  /// Block devices on the regions behind those of `devices(_:session:)`.
  ///
  /// - Parameters:
  ///   - shapes: Size in bytes and physical address of each.
  ///   - count: Devices that come first.
  public func blockDevices(
    _ shapes: [(size: UInt64, resource: UInt64)], after count: Int, session: String
  ) -> [EmulatedDevice] {
    shapes.enumerated().map { index, shape in
      let region = firstRegion + count + index
      // BLOCK_EXT_MAJOR
      return EmulatedDevice(
        kind: .fsdax, region: region, size: shape.size, alignment: 4096,
        resource: shape.resource, major: 259, minor: UInt32(index),
        uuid: DeviceIdentity.uuid(session: session, device: "namespace\(region).0"))
    }
  }

  /// The major that the driver has, else a free one.
  ///
  /// Linux gives dynamic majors from 254 down and, when those are gone, from 511 down: begin at the other end.
  private static func major(
    of driver: String, on host: HostDevices, besides used: Set<UInt32>
  ) throws(SysfsError) -> UInt32 {
    if let major = host.majors[driver] { return major }
    for range in [234...254, 384...511] as [ClosedRange<UInt32>] {
      if let major = range.first(where: { !used.contains($0) }) { return major }
    }
    throw .noMajorLeft
  }

  private static func unusedMinors(_ used: Set<UInt32>, count: Int) -> [UInt32] {
    Array((0...).lazy.filter { !used.contains($0) }.prefix(count))
  }
}

/// Names for devices that stay the same from run to run.
enum DeviceIdentity {
  /// A version 8 (vendor's own) uuid made from the two names.
  static func uuid(session: String, device: String) -> String {
    let text = "\(session)/\(device)"
    let high = hash(text, from: 0xcbf2_9ce4_8422_2325) & ~0xf000 | 0x8000
    let low = hash(text, from: 0x9e37_79b9_7f4a_7c15) & ~(3 << 62) | (2 << 62)
    let digits = hex(high) + hex(low)
    var uuid = ""
    for (index, digit) in digits.enumerated() {
      if [8, 12, 16, 20].contains(index) { uuid.append("-") }
      uuid.append(digit)
    }
    return uuid
  }

  /// The first half of a uuid as a number, for what the kernel calls an interleave set.
  static func cookie(of uuid: String) -> UInt64 {
    UInt64(uuid.filter(\.isHexDigit).prefix(16), radix: 16) ?? 0
  }

  /// FNV-1a, then a finish that spreads the last bytes over all bits.
  private static func hash(_ text: String, from basis: UInt64) -> UInt64 {
    var hash = text.utf8.reduce(basis) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    hash = (hash ^ (hash >> 31)) &* 0x7fb5_d329_728e_a185
    hash = (hash ^ (hash >> 27)) &* 0x81da_def4_bc2d_d44d
    return hash ^ (hash >> 33)
  }

  private static func hex(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
