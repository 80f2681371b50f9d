public import ExtentFS

/// What the kernel asks of a mounted filesystem. Numbers are inodes'; 1 is the root.
public struct FuseRequest: Sendable {
  /// As `enum sd_fuse_operation`, in its order.
  public enum Operation: UInt32, Sendable, CaseIterable {
    case lookup = 1
    case forget
    case getAttributes
    case setAttributes
    case readLink
    case make
    case symbolicLink
    case link
    case unlink
    case removeDirectory
    case rename
    case create
    case open
    case read
    case write
    case synchronize
    case readDirectory
    case status
    case setExtended
    case getExtended
    case listExtended
    case removeExtended
    case allocate
    case copyRange
    case seek
    case control
    case createNameless
  }

  /// Which attributes are to be set: `SD_FUSE_SET_*`.
  public struct Changes: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let mode = Changes(rawValue: 1)
    public static let user = Changes(rawValue: 2)
    public static let group = Changes(rawValue: 4)
    public static let size = Changes(rawValue: 8)
    public static let accessed = Changes(rawValue: 16)
    public static let modified = Changes(rawValue: 32)
    public static let accessedNow = Changes(rawValue: 64)
    public static let modifiedNow = Changes(rawValue: 128)
  }

  public var operation: Operation
  public var user: UInt32 = 0
  public var group: UInt32 = 0
  public var openFlags: UInt32 = 0
  public var node: UInt64 = 1
  public var other: UInt64 = 0
  public var offset: UInt64 = 0
  public var otherOffset: UInt64 = 0
  public var length: UInt64 = 0
  public var mode: UInt32 = 0
  public var device: UInt32 = 0
  public var flags: UInt32 = 0
  public var changes: Changes = []
  public var newUser: UInt32 = 0
  public var newGroup: UInt32 = 0
  public var accessed = Timestamp()
  public var modified = Timestamp()
  public var name = FileName(bytes: [])
  public var otherName = FileName(bytes: [])
  public var data: [UInt8] = []

  public init(_ operation: Operation, node: UInt64 = 1) {
    self.operation = operation
    self.node = node
  }
}

/// What the kernel is told.
public enum FuseReply: Sendable {
  /// 0: done.
  case error(Int32)
  /// `forget` gets no answer.
  case nothing
  case entry(NodeStatus)
  case attributes(NodeStatus)
  case created(NodeStatus)
  case opened
  case bytes([UInt8])
  case text([UInt8])
  /// Bytes written, or copied.
  case count(Int)
  /// Bytes that an answer would take.
  case room(Int)
  case offset(UInt64)
  case space(FilesystemStatus)
  case control([UInt8])

  static let done = FuseReply.error(0)
}

/// An answer and what comes before or after it.
public struct FuseOutcome: Sendable {
  public var reply: FuseReply
  /// The medium is to be synchronized before the answer.
  public var isDurable = false
  /// Pages and attributes that the kernel has of this inode are not true any more.
  public var stale: UInt64?
  /// Pages of the file are in use: the same request again, later; `reply` is of no use.
  public var waits = false
  /// What others wait for may be over.
  public var wakesWaiters = false

  public init(_ reply: FuseReply) { self.reply = reply }
}
