internal import DaxModel
internal import ExtentFS
internal import Latency
internal import LinuxSys
internal import Medium
internal import PmemBase
internal import SystemPackage

/// The filesystem and every window that shows its files: the model decides, the hosts act, and page tables never show more than the
/// model's entries.
///
/// Under the mount's one lock. What the model takes from page tables is noted in `stale` while a call runs, and taken there before anybody
/// else may look, by ``settle()``; and before the call copies a block or takes one from a file, by ``takeEntries()``. So nobody sees a
/// block that is not the file's any more, no store goes to a block that has been copied, and none is used again while somebody sees it.
final class MappedFiles {
  /// What an address range shows.
  struct View: Hashable {
    let inode: UInt64
    let access: AccessMode
    let isShared: Bool
    /// The file's page at address 0, so to say.
    let shift: UInt64
  }
  /// What memory is there; watched anonymous memory where nothing is said.
  enum Backing: Equatable {
    /// The medium: the block at address 0, so to say.
    case medium(shift: UInt64)
    case beyond
  }
  /// A system call that changes the range is under way.
  struct Pending {
    let id: UInt64
    let change: Change
    let addresses: Range<UInt64>
    /// Where mremap() with MREMAP_FIXED moves to.
    let target: Range<UInt64>
  }
  final class Space {
    /// What the model calls the process.
    let number: Int
    let host: any WindowHost
    var views = AddressRuns<View>()
    var backing = AddressRuns<Backing>()
    var changes: [Pending] = []
    /// Pages touched in ranges under change.
    var waiting: Set<UInt64> = []
    /// Pages whose touch is a memory error until their block is good: there is a marker in the page table, or where the host has none memory
    /// whose touch is SIGBUS.
    var markers: Set<UInt64> = []

    init(_ number: Int, host: any WindowHost) {
      self.number = number
      self.host = host
    }

    /// Where blocks of the medium are placed, and which.
    func shown(
      in addresses: Range<UInt64>
    ) -> [(addresses: Range<UInt64>, blocks: Range<UInt64>)] {
      backing.parts(in: addresses).compactMap { part in
        guard case .medium(let shift) = part.value else { return nil }
        let first = part.addresses.lowerBound >> 12 &+ shift
        return (part.addresses, first..<first + UInt64(part.addresses.count) >> 12)
      }
    }

    func isChanging(_ addresses: Range<UInt64>) -> Bool {
      !changes.isEmpty
        && changes.contains { $0.addresses.overlaps(addresses) || $0.target.overlaps(addresses) }
    }
  }

  let service: FuseService
  let medium: any Medium
  let media: MountMedia
  /// Who is told of failures, and the device's number there.
  var witness: (any FailureWitness)?
  var device = 0
  var spaces: [Int: Space] = [:]
  var stale: [PageTableChange] = []
  /// Some page is placed beyond its file's end, or where the medium is bad.
  var hasBeyond = false
  /// Some page has a marker.
  var hasMarkers = false
  /// The device has gone, and does not come back to this mount.
  var isRemoved = false
  /// Takes pages of the medium out of every page table; nil where they may be parts of larger ones.
  private(set) lazy var pipe = LargeShmem.isPossible ? nil : try? PagePipe()
  private var lastSpace = 0

  let latencies: FaultLatencies
  /// Touches answered, and pages of 4 KiB that became visible, since the mount is there.
  var faults: UInt64 = 0
  var inserted: UInt64 = 0
  /// Errors that wait for a fault, and the number of the first such fault, counted from 1.
  var armed: [ArmedError] = [] {
    didSet { alarm = armed.map(\.fault).min() ?? .max }
  }
  private(set) var alarm = UInt64.max

  init(
    _ service: FuseService, on medium: any Medium, media: MountMedia, latencies: FaultLatencies
  ) {
    self.service = service
    self.medium = medium
    self.media = media
    self.latencies = latencies
    service.filesystem.settlesPageTables = { [unowned self] in takeEntries() }
  }

  var filesystem: ExtentFS { service.filesystem }

  func enter(_ host: any WindowHost) -> Int {
    lastSpace += 1
    spaces[lastSpace] = Space(lastSpace, host: host)
    return lastSpace
  }

  /// The address space is gone, and its page tables with it.
  func leave(_ space: Int) {
    guard let gone = spaces[space] else { return }
    let inodes = Set(gone.views.runs.map(\.value.inode))
    for inode in inodes { filesystem.openMapping(of: inode)?.unmapAll(process: space) }
    stale.removeAll { $0.process == space }
    spaces[space] = nil
    for inode in inodes { put(inode) }
  }

  // MARK: What is not true any more

  /// Does in page tables what the model has done since the last time.
  func settle() {
    takeEntries()
    // What has shut down gives no page any more.
    if hasBeyond, !filesystem.isShutDown { restore() }
    if hasMarkers { takeMarkers() }
  }

  /// Takes from page tables what the model has taken. Waits for agents.
  private func takeEntries() {
    while !stale.isEmpty {
      let changes = stale
      stale = []
      var pending: PageTableChange?
      for change in changes {
        if let last = pending, last.process == change.process,
          last.isRemoval == change.isRemoval,
          last.addresses.upperBound == change.addresses.lowerBound
        {
          pending = PageTableChange(
            process: last.process,
            addresses: last.addresses.lowerBound..<change.addresses.upperBound,
            isRemoval: last.isRemoval)
          continue
        }
        if let pending { apply(pending) }
        pending = change
      }
      if let pending { apply(pending) }
    }
  }

  private func apply(_ change: PageTableChange) {
    guard let host = spaces[change.process]?.host else { return }
    guard !change.isRemoval else { return host.zap(change.addresses) }
    while true {
      do throws(Errno) {
        return try host.protect(change.addresses, true)
      } catch .resourceTemporarilyUnavailable {
        // An mremap is under way; it ends when its event is read, without this lock.
        Pause.short()
      } catch {
        // The range or the process is gone.
        return
      }
    }
  }

  /// Pages that were beyond the end, or bad on a kernel that says BUS_ADRERR of that, and are not any more, are watched again.
  private func restore() {
    hasBeyond = false
    for (number, space) in spaces {
      for run in space.backing.runs where run.value == .beyond {
        for part in space.views.parts(in: run.addresses) {
          let size = (filesystem.size(of: part.value.inode) + 4095) >> 12
          for page in part.addresses.lowerBound >> 12..<part.addresses.upperBound >> 12 {
            let addresses = page << 12..<(page + 1) << 12
            guard page &+ part.value.shift < size,
              filesystem.kernel.faultsTellPoison
                || isReadable(part.value, page &+ part.value.shift),
              (try? space.host.place(
                .nothing, at: addresses, protection: protection(number, addresses.lowerBound)))
                != nil
            else {
              hasBeyond = true
              continue
            }
            spaces[number]!.backing.set(addresses, nil)
          }
        }
      }
    }
  }

  /// Markers go where the medium gives the page, or the file has another.
  private func takeMarkers() {
    hasMarkers = false
    for (number, space) in spaces where !space.markers.isEmpty {
      for page in space.markers {
        let view = space.views[page]?.value
        guard view.map({ !isReadable($0, page >> 12 &+ $0.shift) }) ?? false else {
          if view != nil { space.host.zap(page..<page + PageSize.base.bytes) }
          spaces[number]!.markers.remove(page)
          continue
        }
        hasMarkers = true
      }
    }
  }

  /// Whether nothing is known to be bad under a page of a file.
  private func isReadable(_ view: View, _ page: UInt64) -> Bool {
    guard let byte = filesystem.address(of: view.inode, at: page << 12) else { return true }
    return media.isReadable(blocks: byte >> 12..<byte >> 12 + 1)
  }

  func protection(_ space: Int, _ address: UInt64) -> Protection {
    guard let view = spaces[space]?.views[address]?.value else { return [] }
    return filesystem.openMapping(of: view.inode)?.window(of: space, at: address)?.protection ?? []
  }

  // MARK: Files in use

  /// The file's entries and windows, which tell of what they change.
  func mapping(_ inode: UInt64) -> FileMapping? {
    if let open = filesystem.openMapping(of: inode), open.changesPageTables != nil { return open }
    let mapping = filesystem.mapping(of: inode)
    mapping?.changesPageTables = { [unowned self] change in
      stale.append(change)
      tellZapped(change)
    }
    return mapping
  }

  /// A space has no window of the file any more.
  func put(_ inode: UInt64) {
    try? service.volume.change { fs throws(Errno) in _ = fs.put(inode) }
  }

  /// Runs `body`, which takes entries that the page tables have lost already.
  func withoutTelling(_ space: Int, _ body: () -> Void) {
    let before = stale
    stale = []
    body()
    stale = before + stale.filter { $0.process != space }
  }
}
