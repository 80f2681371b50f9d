/// What mount(8) is told.
public struct MountOptions: Hashable, Sendable {
  /// `dax=`
  public enum Dax: Hashable, Sendable {
    case always
    /// Files with FS_XFLAG_DAX.
    case inode
    case never
  }

  public var dax: Dax
  public var isReadOnly: Bool
  /// The device is a partition: reflink and DAX together are refused there.
  public var isPartition: Bool

  public init(dax: Dax = .always, isReadOnly: Bool = false, isPartition: Bool = false) {
    self.dax = dax
    self.isReadOnly = isReadOnly
    self.isPartition = isPartition
  }
}
