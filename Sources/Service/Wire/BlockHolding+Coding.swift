internal import CWire
internal import OwnerIndex

extension BlockHolding {
  /// Nil for an owner that there is not.
  init?(_ m: sd_block_owner) {
    let owner: BlockOwner
    switch sd_block_owner_kind(rawValue: m.kind) {
    case SD_BLOCK_FILE: owner = .file(inode: m.inode, page: m.page)
    case SD_BLOCK_EXTENT_MAP: owner = .extentMap(inode: m.inode)
    case SD_BLOCK_ATTRIBUTES: owner = .attributes(inode: m.inode)
    case SD_BLOCK_METADATA:
      guard let code = UInt8(exactly: m.metadata),
        let metadata = BlockOwner.Metadata(rawValue: code)
      else { return nil }
      owner = .metadata(metadata)
    default: return nil
    }
    self.init(
      owner: owner, links: m.links, isShared: m.flags & SD_BLOCK_SHARED != 0,
      isUnwritten: m.flags & SD_BLOCK_UNWRITTEN != 0)
  }

  var encoded: [UInt8] {
    var m = sd_block_owner()
    m.flags = (isShared ? SD_BLOCK_SHARED : 0) | (isUnwritten ? SD_BLOCK_UNWRITTEN : 0)
    m.links = links
    switch owner {
    case .file(let inode, let page):
      (m.kind, m.inode, m.page) = (SD_BLOCK_FILE.rawValue, inode, page)
    case .extentMap(let inode): (m.kind, m.inode) = (SD_BLOCK_EXTENT_MAP.rawValue, inode)
    case .attributes(let inode): (m.kind, m.inode) = (SD_BLOCK_ATTRIBUTES.rawValue, inode)
    case .metadata(let metadata):
      (m.kind, m.metadata) = (SD_BLOCK_METADATA.rawValue, UInt32(metadata.rawValue))
    }
    return Codec.bytes(of: m)
  }
}

extension Reply {
  /// As many owners of a page as one message holds.
  public static let blockOwnersPerMessage = Int(SD_BLOCK_OWNERS_PER_MESSAGE)
}
