internal import CWire
public import PmemBase

/// A running server, as it tells the tools.
public struct ServerInfo: Sendable, Equatable {
  public var pid: Int32
  public var devices: Int
  /// Address spaces attached now, and since it began.
  public var workloads: Int
  public var attachedEver: UInt64
  /// The session directory.
  public var directory: String
  /// A page has failed while `vm.memory_failure_recovery` was 0.
  public var hasPanicked: Bool
  /// The process that an error, or its end, waits for; 0 for none.
  public var awaited: Int32

  public init(
    pid: Int32, devices: Int, workloads: Int, attachedEver: UInt64, directory: String,
    hasPanicked: Bool = false, awaited: Int32 = 0
  ) {
    self.pid = pid
    self.devices = devices
    self.workloads = workloads
    self.attachedEver = attachedEver
    self.directory = directory
    self.hasPanicked = hasPanicked
    self.awaited = awaited
  }

  init(_ m: sd_server) {
    self.init(
      pid: m.pid, devices: Int(m.devices), workloads: Int(m.workloads),
      attachedEver: m.attached_ever, directory: Codec.text(m.directory),
      hasPanicked: m.flags & SD_SERVER_PANICKED != 0, awaited: m.awaited)
  }

  var encoded: [UInt8] {
    var m = sd_server()
    m.header = Codec.header(SD_SERVER)
    m.pid = pid
    m.devices = UInt32(devices)
    m.workloads = UInt32(workloads)
    m.attached_ever = attachedEver
    m.flags = hasPanicked ? SD_SERVER_PANICKED : 0
    m.awaited = awaited
    Codec.put(directory, into: &m.directory)
    return Codec.bytes(of: m)
  }
}

extension MediumKind {
  var wire: sd_medium {
    switch self {
    case .memfd: SD_MEDIUM_MEMFD
    case .hugetlb: SD_MEDIUM_HUGETLB
    case .tmpfs: SD_MEDIUM_TMPFS
    case .file: SD_MEDIUM_FILE
    case .device: SD_MEDIUM_DEVICE
    }
  }
}

/// A device of a running server. Sizes in bytes.
public struct DeviceInfo: Sendable, Equatable {
  public var index: Int
  public var name: String
  public var medium: MediumKind
  /// Empty for memory without a name.
  public var mediumPath: String
  public var size: UInt64
  public var alignment: UInt64
  /// The physical address that the device claims.
  public var resource: UInt64
  /// 4 KiB pages with a mapcount.
  public var mappedPages: UInt64
  /// Insertions since the server began, in units of `alignment`.
  public var insertedEver: UInt64
  /// userfaultfd events handled since the server began.
  public var faultsEver: UInt64
  public var pagemapReferences: UInt64
  public var major: UInt32
  public var minor: UInt32
  public var targetNode: Int32
  /// Address spaces that map it now.
  public var workloads: Int
  /// Where its filesystem is mounted; empty for one that is mapped itself.
  public var mountpoint: String
  /// The kernel of the host maps the files of its filesystem: nothing is known of who does.
  public var isMappedByHost: Bool

  public init(
    index: Int, name: String, medium: MediumKind, mediumPath: String, size: UInt64,
    alignment: UInt64, resource: UInt64, mappedPages: UInt64, insertedEver: UInt64,
    faultsEver: UInt64, pagemapReferences: UInt64, major: UInt32, minor: UInt32,
    targetNode: Int32, workloads: Int, mountpoint: String = "", isMappedByHost: Bool = false
  ) {
    self.index = index
    self.name = name
    self.medium = medium
    self.mediumPath = mediumPath
    self.size = size
    self.alignment = alignment
    self.resource = resource
    self.mappedPages = mappedPages
    self.insertedEver = insertedEver
    self.faultsEver = faultsEver
    self.pagemapReferences = pagemapReferences
    self.major = major
    self.minor = minor
    self.targetNode = targetNode
    self.workloads = workloads
    self.mountpoint = mountpoint
    self.isMappedByHost = isMappedByHost
  }

  init(_ m: sd_device) {
    self.init(
      index: 0, name: Codec.text(m.name),
      medium: MediumKind.allCases.first { $0.wire.rawValue == m.medium } ?? .memfd,
      mediumPath: Codec.text(m.medium_path), size: m.size, alignment: m.alignment,
      resource: m.resource, mappedPages: m.mapped_pages, insertedEver: m.inserted_ever,
      faultsEver: m.faults_ever, pagemapReferences: m.pagemap_references, major: m.major,
      minor: m.minor, targetNode: m.target_node, workloads: Int(m.workloads),
      mountpoint: Codec.text(m.mountpoint),
      isMappedByHost: m.flags & SD_DEVICE_MAPPED_BY_HOST != 0)
  }

  var encoded: [UInt8] {
    var m = sd_device()
    m.header = Codec.header(SD_DEVICE)
    Codec.put(name, into: &m.name)
    Codec.put(mediumPath, into: &m.medium_path)
    m.size = size
    m.alignment = alignment
    m.resource = resource
    m.mapped_pages = mappedPages
    m.inserted_ever = insertedEver
    m.faults_ever = faultsEver
    m.pagemap_references = pagemapReferences
    m.medium = medium.wire.rawValue
    m.major = major
    m.minor = minor
    m.target_node = targetNode
    m.workloads = UInt32(workloads)
    m.flags = isMappedByHost ? SD_DEVICE_MAPPED_BY_HOST : 0
    Codec.put(mountpoint, into: &m.mountpoint)
    return Codec.bytes(of: m)
  }
}

/// The counts of one folio.
public struct PageInfo: Sendable, Equatable {
  /// First page frame number, in 4 KiB units from the device's start.
  public var pfn: UInt64
  /// The physical address that it claims.
  public var physical: UInt64
  /// log2 of its 4 KiB pages: 0, 9 or 18.
  public var order: Int
  public var isIdle: Bool
  public var refcount: UInt32
  public var mapcount: UInt32
  public var pincount: UInt32
  public var share: UInt32

  public init(
    pfn: UInt64, physical: UInt64, order: Int, isIdle: Bool, refcount: UInt32,
    mapcount: UInt32, pincount: UInt32, share: UInt32
  ) {
    self.pfn = pfn
    self.physical = physical
    self.order = order
    self.isIdle = isIdle
    self.refcount = refcount
    self.mapcount = mapcount
    self.pincount = pincount
    self.share = share
  }

  init(_ m: sd_page) {
    self.init(
      pfn: m.pfn, physical: m.physical, order: Int(m.order),
      isIdle: m.flags & SD_PAGE_IDLE != 0, refcount: m.refcount, mapcount: m.mapcount,
      pincount: m.pincount, share: m.share)
  }

  var encoded: [UInt8] {
    Codec.bytes(
      of: sd_page(
        pfn: pfn, physical: physical, order: UInt32(order),
        flags: isIdle ? SD_PAGE_IDLE : 0, refcount: refcount, mapcount: mapcount,
        pincount: pincount, share: share))
  }
}
