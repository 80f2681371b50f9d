/// Administration of the simulated machine: what a real one is told with a shell.
public enum MachineOperation: Equatable, Sendable {
  /// `disable-namespace N.0`: the device goes, mapped or not; refused while a filesystem on it is mounted.
  case disableNamespace(Int)
  case enableNamespace(Int)
  /// `unbind N.0`: the driver goes at once, mounted or not.
  case unbind(Int)
  /// `sysctl NAME VALUE`, NAME without the leading `vm.`
  case sysctl(name: String, value: Int64)
  case makeFilesystem(FilesystemRequest)
  case mount(device: String, options: [String])
  case unmount
  /// `remount`: umount and mount of the same device with the same options.
  case remount
  /// `test-namespace N fsdax|devdax`: on the kernel's nfit_test bus, which has commands for errors.
  case testNamespace(Int, isBlock: Bool)
  /// `inject-error N.0 SECTOR COUNT [quiet|remove]`
  case injectError(ErrorRequest)
  case clearErrors(namespace: Int)
  case startScrub
  case fileCommand(FileCommand)
  /// `poison-log`, `print LOG`: what `setvar` in a scenario asks of a filesystem, in bytes from the device's start.
  case place(MetadataPlace)
  /// `sector PATH OFFSET`: prints where a file's byte is, in sectors from the device's start.
  case sector(path: String, offset: Int64)
  /// Succeeds, prints nothing: what the model has no part in.
  case nothing
}

/// ndctl inject-error, in sectors of the namespace.
public struct ErrorRequest: Equatable, Sendable {
  public var namespace: Int
  public var block: UInt64
  public var count: UInt64
  /// Whether the kernel is told at once.
  public var notifies = true
  /// `--uninject`
  public var removes = false
}

/// Where a filesystem keeps its own data.
public enum MetadataPlace: String, Sendable, CaseIterable {
  case log
  case journal
  case inodeTable = "inode-table"
  case inodeChunk = "inode-chunk"
  case extentMap = "extent-map"
}

/// mkfs, as far as it matters here.
public struct FilesystemRequest: Equatable, Sendable {
  public enum Kind: String, Sendable { case xfs, ext4 }
  public var kind: Kind
  public var device: String
  public var reflink = true
  public var reverseMap = true
  public var blockSize = 4096
  /// Stripe unit in bytes; 0 for none. With 2 MiB extents are aligned so that PMD mappings are possible.
  public var stripeUnit = 0
  public var allocationGroups: Int?
  public var logSize: Int?
  /// The device of an external log.
  public var logDevice: String?

  public init(kind: Kind, device: String) {
    self.kind = kind
    self.device = device
  }
}

/// Work on a file that a scenario leaves to a shell tool.
public enum FileCommand: Equatable, Sendable {
  /// Creates it, if it is not there.
  case create(path: String)
  case write(path: String, part: Part, value: UInt8)
  case read(path: String, part: Part)
  case truncate(path: String, length: Int64)
  case allocate(path: String, mode: AllocationMode, part: Part)
  case extentSizeHint(path: String, length: Int64)
  case clone(from: String, to: String, fromOffset: Int64, toOffset: Int64, length: Int64)
  case synchronize(path: String)
  case remove(path: String)
  case copy(from: String, to: String)
  case list(path: String)
}
