internal import CWire

/// The file from which the shim learns of the devices when a program starts.
public struct DeviceTable: Sendable {
  public struct Entry: Sendable {
    public enum Node: Sendable {
      /// /dev/daxN.M; `mapsMedium`: its windows map the medium itself.
      case dax(device: Int, size: UInt64, alignment: UInt64, mapsMedium: Bool)
      /// /dev/ndctlN.
      case ndctl
    }
    /// What programs open: "/dev/dax0.0".
    public var path: String
    /// The empty file that they get, relative to the session directory.
    public var file: String
    /// `st_dev` and `st_ino` of that file: by these a descriptor is recognised.
    public var fileDevice: UInt64
    public var fileInode: UInt64
    public var major: UInt32
    public var minor: UInt32
    public var node: Node

    public init(
      path: String, file: String, fileDevice: UInt64, fileInode: UInt64, major: UInt32,
      minor: UInt32, node: Node
    ) {
      self.path = path
      self.file = file
      self.fileDevice = fileDevice
      self.fileInode = fileInode
      self.major = major
      self.minor = minor
      self.node = node
    }
  }

  public static let fileName = SD_TABLE_NAME
  public static let socketName = SD_SOCKET_NAME
  public static let environment = SD_ENVIRONMENT
  public static let maximumDevices = Int(SD_MAX_DEVICES)

  public var entries: [Entry]

  public init(entries: [Entry]) { self.entries = entries }

  /// The file's bytes.
  public var encoded: [UInt8] {
    let header = sd_table_header(
      magic: SD_WIRE_MAGIC, version: SD_WIRE_VERSION, count: UInt32(entries.count), reserved: 0)
    return Codec.bytes(of: header) + entries.flatMap(\.encoded)
  }
}

extension DeviceTable.Entry {
  var encoded: [UInt8] {
    var entry = sd_table_entry()
    Codec.put(path, into: &entry.path)
    Codec.put(file, into: &entry.file)
    entry.node_dev = fileDevice
    entry.node_ino = fileInode
    entry.major = major
    entry.minor = minor
    switch node {
    case .dax(let device, let size, let alignment, let mapsMedium):
      entry.node = SD_NODE_DAX.rawValue
      entry.device = UInt32(device)
      entry.size = size
      entry.alignment = alignment
      entry.window = mapsMedium ? SD_WINDOW_FILE.rawValue : SD_WINDOW_ANONYMOUS.rawValue
    case .ndctl:
      entry.node = SD_NODE_NDCTL.rawValue
    }
    return Codec.bytes(of: entry)
  }
}
