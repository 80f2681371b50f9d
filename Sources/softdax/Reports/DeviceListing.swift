internal import Medium
internal import PmemBase
internal import Wire

/// A device as `daxctl list` shows it: the same keys, and a few more on request. One that holds a mounted filesystem has the keys of an
/// fsdax namespace in `ndctl list`.
struct DeviceListing: Encodable, Equatable {
  var chardev: String?
  /// Instead, of one that holds a mounted filesystem.
  var blockdev: String?
  var size: ListedSize
  /// Absent where the platform names no node.
  var targetNode: Int32?
  var align: UInt64
  var mode: String
  /// Where its filesystem is.
  var mountpoint: String?
  /// "disabled", or absent.
  var state: String?
  /// Where the bytes are; real devices always say "device".
  var medium: String?
  var mediumPath: String?
  var workloads: Int?
  var mappedPages: UInt64?
  var pagemapReferences: UInt64?
  var inserted: UInt64?
  var faults: UInt64?

  /// An emulated device.
  init(_ device: DeviceInfo, human: Bool, verbose: Bool) {
    let isMount = !device.mountpoint.isEmpty
    chardev = isMount ? nil : device.name
    blockdev = isMount ? device.name : nil
    size = ListedSize(bytes: device.size, human: human)
    targetNode = device.targetNode >= 0 ? device.targetNode : nil
    align = device.alignment
    mode = isMount ? "fsdax" : "devdax"
    mountpoint = isMount ? device.mountpoint : nil
    guard verbose else { return }
    medium = device.medium.rawValue
    mediumPath = device.mediumPath.isEmpty ? nil : device.mediumPath
    workloads = device.workloads
    mappedPages = device.mappedPages
    pagemapReferences = device.pagemapReferences
    inserted = device.insertedEver
    faults = device.faultsEver
  }

  /// A real one.
  init(_ device: RealDevice, human: Bool, verbose: Bool) {
    chardev = device.name
    size = ListedSize(bytes: device.size, human: human)
    targetNode = device.targetNode >= 0 ? device.targetNode : nil
    align = device.alignment
    mode = device.mode.rawValue
    state = device.isEnabled ? nil : "disabled"
    medium = "device"
    mediumPath = verbose ? device.path : nil
  }

  var name: String { chardev ?? blockdev ?? "" }

  /// What `list` prints: an array, or with `human` a single device by itself; nothing for no device.
  static func text(_ devices: [DeviceListing], human: Bool) throws -> String? {
    guard let first = devices.first else { return nil }
    return human && devices.count == 1 ? try jsonText(first) : try jsonText(devices)
  }
}

/// A size as daxctl prints it: a number, or with `-u` a text from 5000 KiB on.
struct ListedSize: Encodable, Equatable {
  var bytes: UInt64
  var human: Bool

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if human && bytes >= 5000 * 1024 {
      try container.encode(ByteCount(bytes).human)
    } else {
      try container.encode(bytes)
    }
  }
}
