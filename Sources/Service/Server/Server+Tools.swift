internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import FuseMount
internal import Latency
internal import LinuxSys
internal import Medium
internal import NvdimmBus
internal import PageModel
internal import PmemBase
internal import SystemPackage
internal import Wire

extension Server {
  /// Answers a tool's question. Takes no lock that a fault thread takes but to look who maps a device.
  func answer(_ request: Request) throws(WireError) -> Reply {
    switch request {
    case .getServer:
      return .server(
        ServerInfo(
          pid: ThisProcess.identifier, devices: devices.count + filesystems.count,
          workloads: registry.workloads.count, attachedEver: registry.attachedEver,
          directory: path, hasPanicked: failures.hasPanicked, awaited: failures.awaited ?? 0))
    case .getDevice(let index):
      if let mount = mount(index) { return .device(information(mount, index)) }
      guard devices.indices.contains(index) else { return error(.operationNotSupportedByDevice) }
      return .device(information(index))
    case .getPages(let index, let first, let count):
      if let mount = mount(index) { return pages(mount, index, first: first, count: count) }
      guard devices.indices.contains(index) else { return error(.operationNotSupportedByDevice) }
      return pages(index, first: first, count: count)
    case .getLatency(let index, let kind, let first):
      let device = devices.indices.contains(index) ? devices[index] : nil
      guard let latencies = mount(index)?.latencies ?? device?.latencies else {
        return error(.operationNotSupportedByDevice)
      }
      return latency(latencies.histogram(kind).snapshot(), from: first)
    case .inject(let injection): return error(inject(injection))
    case .clearErrors(let device, let first, let count):
      return clearErrors(device: device, first: first, count: count)
    case .set(let setting, let isOn):
      set(setting, isOn)
      return error(Errno(rawValue: 0))
    case .withdraw(let device, let first, let count):
      return error(withdraw(device: device, first: first, count: count))
    case .getErrors(let device, let list, let first): return errors(device, list, from: first)
    case .unbind(let device): return error(unbind(device))
    case .scrub(let starts): return scrub(starts: starts)
    case .getOwners(let device, let page, let first):
      return owners(device, page: page, from: first)
    case .getBlockOwners(let device, let page, let first):
      return blockOwners(device, page: page, from: first)
    case .getArmed(let device, let first): return armed(device, from: first)
    case .getPaths(let device, let inodes): return paths(device, inodes)
    case .predict(let device, let page, let kind, let process, let kernel, let first):
      return predict(device, page: page, kind, process, kernel, from: first)
    default:
      throw .unexpected(type: 0)
    }
  }

  private func error(_ errno: Errno) -> Reply { .done(error: -errno.rawValue) }

  private func information(_ index: Int) -> DeviceInfo {
    let device = devices[index]
    let shown = emulated[index]
    return DeviceInfo(
      index: index, name: device.name, medium: device.medium.kind,
      mediumPath: device.medium.path, size: device.geometry.size,
      alignment: device.geometry.alignment.bytes, resource: shown.resource,
      mappedPages: UInt64(device.pagemap.mappedFolios()) << device.geometry.alignment.order,
      insertedEver: device.insertedEver, faultsEver: device.faultsEver,
      pagemapReferences: device.pagemap.references, major: shown.major, minor: shown.minor,
      targetNode: Int32(shown.targetNode),
      workloads: registry.workloads.count { $0.maps(device: index) })
  }

  /// The folios of one message; `first` and `count` in 4 KiB units, `count` 0 to the end.
  private func pages(_ index: Int, first: UInt64, count: UInt64) -> Reply {
    let device = devices[index]
    let order = UInt64(device.geometry.alignment.order)
    let end = device.geometry.size >> 12
    guard first < end, count <= end - first else { return error(.outOfRange) }
    let wanted = count == 0 ? end : first + count
    let firstFolio = Int(first >> order)
    let endFolio = Int((wanted + (1 << order) - 1) >> order)
    let until = min(endFolio, firstFolio + Reply.pagesPerMessage)
    let pages = (firstFolio..<until).map { folio in
      let counts = device.pagemap.counts(folio: folio)
      let pfn = UInt64(folio) << order
      return PageInfo(
        pfn: pfn, physical: emulated[index].resource + pfn << 12, order: Int(order),
        isIdle: device.pagemap.isIdle(folio: folio), refcount: counts.refcount,
        mapcount: counts.mapcount, pincount: counts.pincount, share: counts.share)
    }
    return .pages(pages, next: until == endFolio ? 0 : UInt64(until) << order)
  }

  private func latency(_ snapshot: LatencySnapshot, from first: UInt32) -> Reply {
    let rest = snapshot.buckets.drop { $0.bucket < first }
    let part = rest.prefix(Reply.bucketsPerMessage)
    let next = rest.dropFirst(part.count).first?.bucket ?? 0
    return .latency(
      LatencySnapshot(
        buckets: Array(part), minimum: snapshot.minimum, maximum: snapshot.maximum),
      next: next)
  }
}

extension FaultLatencies {
  fileprivate func histogram(_ kind: LatencyKind) -> LatencyHistogram {
    switch kind {
    case .insert: insert
    case .lookup: lookup
    case .install: install
    }
  }
}

extension Change {
  /// The model's word for what a workload is about to do.
  init(_ request: Request.Change) {
    switch request.operation {
    case .unmap: self = .unmap
    case .zap: self = .zap
    case .protect:
      self = .protect(Protection(rawValue: UInt32(truncatingIfNeeded: request.argument)))
    case .move:
      // MREMAP_MAYMOVE 1, MREMAP_FIXED 2: include/uapi/linux/mman.h.
      self = .move(
        newLength: request.argument, target: request.target == 0 ? nil : request.target,
        mayMove: request.flags & 1 != 0, fixed: request.flags & 2 != 0)
    case .sync: self = .sync(flags: UInt32(truncatingIfNeeded: request.argument))
    case .advise: self = .advise(Int32(truncatingIfNeeded: request.argument))
    }
  }
}

extension Reply.ChangePlan {
  init(_ plan: ChangePlan) {
    let effect: Effect =
      switch plan.effect {
      case .perform: .perform
      case .nothing: .nothing
      case .populate: .populated
      }
    self.init(
      error: 0, effect: effect, address: plan.address, length: plan.length,
      alignment: plan.alignment, congruence: plan.congruence)
  }
}
