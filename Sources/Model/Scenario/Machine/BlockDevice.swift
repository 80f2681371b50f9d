internal import DaxModel
internal import ExtentFS
internal import PmemBase

/// An fs-dax namespace: `/dev/pmemN`, and what is on it.
struct BlockDevice {
  let namespace: Int
  let media: RegionMedia
  let blockCount: UInt64
  /// False after its driver was unbound.
  var isBound = true
  /// Its driver went under page-table entries: whoever looks at their page descriptors brings the kernel down.
  var leftEntries = false
  /// The namespace whose filesystem has its log here.
  var logOf: Int?
  /// What mkfs put there last.
  var filesystem: ExtentFS?
  var request: FilesystemRequest?
  var mountOptions: [String] = []

  init(_ namespace: Int, _ region: Region) {
    self.namespace = namespace
    media = region.media
    blockCount = region.blockCount
  }

  /// The driver is bound again. Page descriptors are new, but a filesystem that is not mounted has left nothing in them.
  mutating func enable() {
    isBound = true
    leftEntries = false
  }

  mutating func make(
    _ request: FilesystemRequest, kernel: KernelBehavior, frames: AnonymousFrames
  ) {
    let alignment = UInt64(max(1, request.stripeUnit >> 12))
    let log = request.logDevice != nil ? 0 : request.logSize.map { UInt64($0) >> 12 }
    var format: Format
    switch request.kind {
    case .xfs:
      format = .xfs(
        blocks: blockCount, reverseMap: request.reverseMap, reflink: request.reflink,
        groups: UInt64(min(max(request.allocationGroups ?? 4, 1), 64)), logBlocks: log,
        alignment: alignment)
    case .ext4:
      format = .ext4(blocks: blockCount, logBlocks: log, alignment: alignment)
    }
    self.request = request
    filesystem = ExtentFS(
      format, blockCount: blockCount, kernel: kernel, media: media, frames: frames)
  }
}
