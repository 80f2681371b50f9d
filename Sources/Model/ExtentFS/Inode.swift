internal import DaxModel

/// A file, a directory, or another node.
///
/// What the medium keeps notes itself in the filesystem's ledger when it changes; the rest is of this mount.
final class Inode {
  let number: UInt64
  let kind: NodeKind
  private var ledger: ChangeLedger?
  /// It is in the ledger.
  var isNoted = false
  /// Bytes that it took in the last checkpoint or record.
  var recordedBytes = 0

  // MARK: On the medium

  var size: UInt64 = 0 { didSet { note() } }
  var links = 1 { didSet { note() } }
  var attributes: Attributes { didSet { note() } }
  var extents = ExtentMap() { didSet { note() } }
  var mapBlocks: [UInt64] = [] { didSet { note() } }
  /// extsize: pages that are allocated together.
  var extentHint: UInt64 = 1 { didSet { note() } }
  /// FS_XFLAG_DAX
  var hasDaxFlag = false { didSet { note() } }
  /// A directory's.
  var names = Directory() { didSet { note() } }
  /// The directory that names a directory; the root's is itself.
  var parent: UInt64 = 0 { didSet { note() } }
  /// What a symbolic link says.
  var target: [UInt8] = [] { didSet { note() } }
  var extended = ExtendedAttributes() { didSet { note() } }

  // MARK: Of this mount

  /// A directory's directories: each has a ".." that names it.
  var subdirectories = 0
  /// Descriptors and windows.
  var references = 0
  /// XFS's copy-on-write fork: blocks taken for pages that still have their old ones.
  var staging = ExtentMap()
  /// Unwritten pages whose extent on the medium is a written one already: ext4 could not zero them.
  var unzeroed = ExtentMap()
  /// Blocks were allocated or sizes changed since the last fsync.
  var isMetadataDirty = true
  /// In the inode cache: found or used since the mount.
  var isInCore = true
  /// It has never had a name, and may get one: I_LINKABLE.
  var isLinkable = false
  var mapping: FileMapping?

  init(_ number: UInt64, _ kind: NodeKind, ledger: ChangeLedger? = nil) {
    self.number = number
    self.kind = kind
    attributes = Attributes(mode: kind == .directory ? 0o755 : 0o644)
    if let ledger {
      keepChanges(in: ledger)
      note()
    }
  }

  /// From here on the ledger is told what changes.
  func keepChanges(in ledger: ChangeLedger) {
    clearChanges()
    self.ledger = ledger
  }

  private func note() {
    guard let ledger, !isNoted else { return }
    isNoted = true
    ledger.changed.append(self)
  }
}

/// What an inode is: S_IFMT.
public enum NodeKind: UInt8, Sendable, CaseIterable {
  case file = 8
  case directory = 4
  case symbolicLink = 10
  case fifo = 1
  case characterDevice = 2
  case blockDevice = 6
  case socket = 12

  /// As in `st_mode`; the raw value is `d_type`.
  public var mode: UInt32 { UInt32(rawValue) << 12 }

  /// The kind in the upper bits of a `mode_t`.
  public init?(mode: UInt32) { self.init(rawValue: UInt8(truncatingIfNeeded: mode >> 12 & 15)) }
}

/// xattr(7): bytes by name.
struct ExtendedAttributes {
  private(set) var values: [FileName: [UInt8]] = [:]
  /// Bytes of all names and values.
  private(set) var bytes = 0
  /// Names that changed since this was last emptied; nil where nobody asks.
  var changed: Set<FileName>?

  subscript(name: FileName) -> [UInt8]? {
    get { values[name] }
    set {
      changed?.insert(name)
      if let old = values[name] { bytes -= name.bytes.count + old.count }
      values[name] = newValue
      if let newValue { bytes += name.bytes.count + newValue.count }
    }
  }
}
