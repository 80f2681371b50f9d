/// Blocks next to each other with the same owners; a file's page advances with the block.
public struct OwnerRun: Equatable, Sendable {
  public let blocks: Range<UInt64>
  /// Of the first block, in order; more than one if the run is shared.
  public let owners: [BlockOwner]

  public init(blocks: Range<UInt64>, owners: [BlockOwner]) {
    self.blocks = blocks
    self.owners = owners
  }
}
