/// One owner of a block, and how it has it.
public struct BlockHolding: Equatable, Sendable {
  public let owner: BlockOwner
  /// Names that its inode has: 0 for one that is only still in use, and for metadata.
  public let links: UInt32
  /// Another file, or another page of the same, has the block, too.
  public let isShared: Bool
  /// Reads as zeroes.
  public let isUnwritten: Bool

  public init(owner: BlockOwner, links: UInt32, isShared: Bool, isUnwritten: Bool) {
    self.owner = owner
    self.links = links
    self.isShared = isShared
    self.isUnwritten = isUnwritten
  }
}
