internal import DaxModel
internal import FaultEngine
internal import FuseMount
internal import Medium
internal import MemoryFailure
internal import NvdimmBus
internal import PageModel
internal import PmemBase
internal import SystemPackage
internal import Wire

/// Mounts' devices, as tools name them: they come after those that are mapped themselves, and are called pmem0, pmem1 … in the order of
/// the mounts.
extension Server {
  func mount(_ device: Int) -> FilesystemMount? {
    let index = device - devices.count
    return filesystems.indices.contains(index) ? filesystems[index] : nil
  }

  /// Where a mount's device would be in physical memory: no emulated device reaches so far.
  func resource(_ device: Int) -> UInt64 {
    devices.indices.contains(device)
      ? emulated[device].resource : Self.mountResource(device - devices.count)
  }

  static func mountResource(_ index: Int) -> UInt64 { 1 << 46 + UInt64(index) << 42 }
  static func mountName(_ index: Int) -> String { "pmem\(index)" }

  /// What whoever has them mounted should know, a line each: the mounts whose files are not DAX, and why.
  public var shortcomings: [String] {
    filesystems.filter { !$0.offersWindows }.map { mount in
      let why =
        offersWindows
        ? "\(mount.medium.path) is not in memory; put it on tmpfs, or leave --medium out"
        : "this kernel's userfaultfd cannot watch them; Linux 6.4 can"
      return
        "\(mount.directory): mappings of its files are the host kernel's, and meet no errors: \(why)"
    }
  }

  /// What the device holds, in bytes; nil: there is none.
  func size(_ device: Int) -> UInt64? {
    devices.indices.contains(device)
      ? devices[device].geometry.size : mount(device)?.medium.size
  }

  func information(_ mount: FilesystemMount, _ index: Int) -> DeviceInfo {
    let counts = mount.faultCounts
    return DeviceInfo(
      index: index, name: Self.mountName(index - devices.count), medium: mount.medium.kind,
      mediumPath: mount.medium.path, size: mount.medium.size, alignment: PageSize.base.bytes,
      resource: resource(index), mappedPages: mount.mappedPages,
      insertedEver: counts.inserted, faultsEver: counts.faults,
      pagemapReferences: 0, major: 0, minor: 0, targetNode: -1, workloads: mount.workloads,
      mountpoint: mount.directory, isMappedByHost: !mount.offersWindows)
  }

  func pages(
    _ mount: FilesystemMount, _ index: Int, first: UInt64, count: UInt64
  ) -> Reply {
    let end = mount.medium.size >> 12
    guard first < end, count <= end - first else {
      return .done(error: -Errno.outOfRange.rawValue)
    }
    let wanted = count == 0 ? end : first + count
    let until = min(wanted, first + UInt64(Reply.pagesPerMessage))
    let pages = mount.counts(of: first..<until).enumerated().map { place, page in
      let pfn = first + UInt64(place)
      return PageInfo(
        pfn: pfn, physical: resource(index) + pfn << 12, order: 0, isIdle: page.isIdle,
        refcount: page.counts.refcount, mapcount: page.counts.mapcount,
        pincount: page.counts.pincount, share: page.counts.share)
    }
    return .pages(pages, next: until == wanted ? 0 : until)
  }

  func inject(_ injection: Request.Injection, on mount: FilesystemMount) throws(Errno) {
    guard injection.after == 0 else {
      let rule = InjectionRule(
        place: .offset(injection.first << 9), kind: injection.kind, count: injection.count)
      return try mount.arm(
        faults: injection.after, rule, dataStays: injection.dataStays, process: injection.process)
    }
    try mount.inject(
      injection.kind, sectors: injection.first..<injection.first + injection.count,
      dataStays: injection.dataStays, process: injection.process)
  }

  /// The driver of a mount's device is unbound.
  func unbind(_ device: Int) -> Errno {
    guard mount(device) != nil else { return .notSupported }
    do throws(Errno) {
      try nvdimm.unbind(device: device)
      return Errno(rawValue: 0)
    } catch { return error }
  }

  /// A file's page of a workload.
  func locateFile(_ address: UInt64, in process: Int32) -> Reply {
    let own = registry.workloads.filter { $0.process == process }
    if own.contains(where: { $0.wasToldOfFile(address) }) {
      // EHWPOISON
      return .done(error: -133)
    }
    let found = own.firstNonNil { $0.locateFile(address) }
    guard let found, let index = filesystems.firstIndex(where: { $0 === found.mount }) else {
      return .done(error: -Errno.badAddress.rawValue)
    }
    let device = devices.count + index
    return .located(
      Reply.Location(
        device: device, physical: resource(device) + found.block << 12,
        isExclusive: found.isExclusive))
  }
}
