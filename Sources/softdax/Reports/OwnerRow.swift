internal import HostFilesystem
internal import OwnerIndex

/// One owner of a page, or of a run of bytes, for people and for programs.
struct OwnerRow: Encodable {
  let type: String
  var inode: UInt64?
  /// Byte of the file.
  var offset: UInt64?
  var path: String?
  /// Names that the inode has; 0: it is only still in use. Nil where the filesystem was not asked.
  var links: UInt32?
  /// What the filesystem calls its own.
  var name: String?
  /// Bytes of the device, where it is a run of them.
  var start: UInt64?
  var length: UInt64?
  var shared = false
  var unwritten = false
}

extension OwnerRow {
  /// Of an emulated filesystem; without a path.
  init(_ holding: BlockHolding) {
    let type =
      switch holding.owner {
      case .file: "file"
      case .extentMap: "extent map"
      case .attributes: "attributes"
      case .metadata: "metadata"
      }
    self.init(type: type, shared: holding.isShared, unwritten: holding.isUnwritten)
    if case .metadata(let metadata) = holding.owner {
      name = metadata.words
    } else {
      inode = holding.owner.inode
      links = holding.links
    }
    offset = holding.owner.filePage.map { $0.page << 12 }
  }

  /// Of a filesystem of the host.
  init(_ owner: BlastRadius.Owner) {
    self.init(
      type: owner.owner.type, inode: owner.owner.inode, path: owner.path,
      start: owner.physical.lowerBound, length: UInt64(owner.physical.count),
      shared: owner.isShared, unwritten: owner.isUnwritten)
    if case .file(_, let offset) = owner.owner { self.offset = offset }
    if case .metadata(let name) = owner.owner { self.name = name }
  }
}

extension [OwnerRow] {
  /// A table.
  var text: String {
    var table = TextTable([
      ("owner", .left), ("inode", .right), ("offset", .right), ("state", .left), ("path", .left),
    ])
    for owner in self {
      let state = [owner.shared ? "shared" : nil, owner.unwritten ? "unwritten" : nil]
      table.add([
        owner.name ?? owner.type, owner.inode.map { "\($0)" } ?? "",
        owner.offset.map(hexadecimal) ?? "", state.compactMap { $0 }.joined(separator: ","),
        owner.links == 0 ? "no name any more" : owner.path ?? "",
      ])
    }
    return table.text
  }
}

extension BlockOwner.Metadata {
  /// For people.
  fileprivate var words: String {
    switch self {
    case .superblock: "superblock"
    case .groupDescriptors: "group descriptors"
    case .freeSpace: "free space"
    case .inodeIndex: "inode index"
    case .inodes: "inodes"
    case .reverseMap: "reverse map"
    case .refcounts: "reference counts"
    case .log: "log"
    case .copyOnWriteStaging: "copy-on-write staging"
    }
  }
}

extension SpaceOwner {
  fileprivate var type: String {
    switch self {
    case .file: "file"
    case .attributes: "attributes"
    case .extentMap: "extent map"
    case .metadata: "metadata"
    case .free: "free"
    case .unknown: "unknown"
    }
  }
}
