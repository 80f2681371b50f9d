/// One emulated namespace with what its driver makes of it, and all that its files under /sys say about it.
public struct EmulatedDevice: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// A libnvdimm dax device holds the namespace: /dev/daxN.M.
    case dax
    /// `nd_pmem` drives the namespace itself: a block device, which a filesystem is mounted from.
    case fsdax
  }

  /// N in daxN.M, regionN and namespaceN.M: every device has a region of its own.
  public let region: Int

  /// M in daxN.M and namespaceN.M.
  public let instance: Int

  /// Bytes.
  public let size: UInt64

  /// Bytes: 4 KiB, 2 MiB or 1 GiB. What mmap() lengths and offsets must be multiples of.
  public let alignment: UInt64

  /// The physical address that the device claims to be at.
  public let resource: UInt64

  /// The device number that stat() shows.
  public let major: UInt32
  public let minor: UInt32

  /// The NUMA node that the memory would be if it were used as memory; -1: none.
  public let targetNode: Int

  public let uuid: String

  public let kind: Kind

  public init(
    kind: Kind = .dax, region: Int, instance: Int = 0, size: UInt64, alignment: UInt64,
    resource: UInt64,
    major: UInt32, minor: UInt32, targetNode: Int = 0, uuid: String
  ) {
    self.kind = kind
    self.region = region
    self.instance = instance
    self.size = size
    self.alignment = alignment
    self.resource = resource
    self.major = major
    self.minor = minor
    self.targetNode = targetNode
    self.uuid = uuid
  }

  public var isDax: Bool { kind == .dax }

  /// The character device: "dax0.0", at /dev/dax0.0.
  public var name: String { "dax\(region).\(instance)" }

  public var regionName: String { "region\(region)" }

  public var namespaceName: String { "namespace\(region).\(instance)" }

  /// The libnvdimm device that holds the namespace and has the character device below it.
  ///
  /// A kernel keeps one such device spare, as the seed of the next: it comes first and is `seedName`,
  /// the holder in use is the second. Both share their names with character devices, on another bus.
  public var holderName: String { "dax\(region).\(instance + 1)" }
  public var seedName: String { "dax\(region).\(instance)" }
}

/// The libnvdimm bus that all emulated devices are on.
public struct EmulatedBus: Sendable, Hashable {
  /// N in ndbusN and ndctlN.
  public let number: Int

  /// The device number of /dev/ndctlN.
  public let major: UInt32
  public let minor: UInt32

  public init(number: Int, major: UInt32, minor: UInt32) {
    self.number = number
    self.major = major
    self.minor = minor
  }

  /// The control device: "ndctl0", at /dev/ndctl0.
  public var controlName: String { "ndctl\(number)" }

  public var name: String { "ndbus\(number)" }

  /// What `ndctl -b` and scripts know the bus by; the same whatever number the bus got.
  public var provider: String { "softdax.0" }
}
