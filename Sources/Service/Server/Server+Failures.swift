internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import FuseMount
internal import LinuxSys
internal import MemoryFailure
internal import NvdimmBus
internal import PageModel
internal import PmemBase
internal import SystemPackage
internal import Wire

/// Errors, asked for by tools and by workloads.
extension Server {
  /// The file in which workloads see which pages the media cannot give, and each device's part of it.
  static func makePoisonFile(_ pages: [Int], in directory: SessionDirectory) throws(ServerError)
    -> (bits: [AtomicBits], generation: SharedCounter)
  {
    let layout = PoisonFile.layout(pages: pages)
    let path = directory.path + "/" + PoisonFile.name
    do throws(Errno) {
      let memory = try SharedMemory(creating: path, count: layout.length, mode: 0o600)
      return (
        zip(pages, layout.starts).map { AtomicBits(count: $0, in: memory, at: $1) },
        SharedCounter(in: memory, at: PoisonFile.generation)
      )
    } catch {
      throw .system(call: "map", path: path, error)
    }
  }

  /// Keeps the `badblocks` of /sys true when a touch makes an error known. The handler must not wait for the bus, whose commands
  /// wait for the handler: so a thread stands in between.
  func showBadBlocks() throws(Errno) {
    failures.observe { [bulletin] event in
      if case .badBlocksChanged = event { bulletin.post() }
    }
    try bulletin.begin { [nvdimm] in nvdimm.refresh() }
  }

  func inject(_ injection: Request.Injection) -> Errno {
    defer { nvdimm.refresh() }
    guard let size = size(injection.device) else { return .operationNotSupportedByDevice }
    guard injection.count > 0, injection.count <= UInt64.max >> 9,
      injection.first <= UInt64.max >> 9 - injection.count
    else { return .outOfRange }
    guard injection.first + injection.count <= size >> 9 else { return .outOfRange }
    if let mount = mount(injection.device) {
      do throws(Errno) {
        try inject(injection, on: mount)
        return Errno(rawValue: 0)
      } catch { return error }
    }
    let rule = InjectionRule(
      place: .offset(injection.first << 9), kind: injection.kind,
      count: injection.count)
    let planned = PlannedError(
      rule, dataStays: injection.dataStays, process: injection.process)
    do throws(Errno) {
      if let process = injection.process {
        guard injection.kind == .poison || injection.kind == .machineCheck else {
          throw .invalidArgument
        }
        // Who consumes a page has it, in every folio.
        let shift = UInt64(devices[injection.device].geometry.alignment.shift)
        let last = ((injection.first + injection.count) << 9) - 1
        for folio in (injection.first << 9) >> shift...last >> shift {
          let page = max(folio << shift, injection.first << 9) >> 12
          try failures.faultIn(device: injection.device, page: page, of: process)
        }
      }
      if injection.after > 0 {
        try failures.arm(device: injection.device, faults: injection.after, planned)
      } else {
        try failures.carryOut(device: injection.device, planned)
      }
      return Errno(rawValue: 0)
    } catch {
      return error
    }
  }

  func clearErrors(device: Int, first: UInt64, count: UInt64) -> Reply {
    guard let size = size(device) else {
      return .done(error: -Errno.operationNotSupportedByDevice.rawValue)
    }
    let all = size >> 9
    guard first < all, count <= all - first else {
      return .done(error: -Errno.outOfRange.rawValue)
    }
    do throws(Errno) {
      let end = count == 0 ? all : first + count
      if let mount = mount(device) {
        try mount.clearErrors(sectors: first..<end)
        return .cleared(bytes: (end - first) << 9)
      }
      return .cleared(bytes: try nvdimm.clear(device: device, bytes: first << 9..<end << 9))
    } catch {
      return .done(error: -error.rawValue)
    }
  }

  func set(_ setting: Request.Setting, _ isOn: Bool) {
    failures.set { options in
      switch setting {
      case .earlyKill: options.earlyKill = isOn
      case .recovery: options.recovers = isOn
      }
    }
  }

  /// Which page a process has at an address of its own, and what pagemap would say of it.
  func locate(_ address: UInt64, in process: Int32) -> Reply {
    let found = registry.workloads.firstNonNil {
      $0.process == process ? $0.page(at: address) : nil
    }
    guard let (index, page) = found else { return locateFile(address, in: process) }
    let pagemap = devices[index].pagemap
    let folio = page >> devices[index].geometry.alignment.order
    return .located(
      Reply.Location(
        device: index, physical: emulated[index].resource + UInt64(page) << 12,
        isExclusive: folio < pagemap.folioCount && pagemap.isMappedExclusively(folio: folio)))
  }

  /// madvise(MADV_HWPOISON) of the folio at an address: it is faulted in, then it fails, and the caller is `current`.
  ///
  /// Source: `madvise_inject_error`, mm/madvise.c (v6.1, v6.12, v7.3): soft offlining a device page is EIO.
  func poison(_ request: Request.Poison) -> Reply.Poisoned {
    guard let workload = registry.workload(request.token) else {
      return Reply.Poisoned(error: -Errno.noSuchAddressOrDevice.rawValue)
    }
    do throws(Errno) {
      if let done = try workload.poisonFile(
        request.address, thread: Int32(request.thread), isSoftOffline: request.isSoftOffline)
      {
        return Reply.Poisoned(
          error: 0, step: done.step,
          signal: done.signal.map { ($0.address, UInt32($0.shift)) })
      }
      let place = try workload.faultIn(request.address)
      if request.isSoftOffline { throw .ioError }
      let plan = try failures.softwarePoison(
        device: place.device, page: UInt64(place.page),
        origin: .injection(process: Int(workload.process), thread: Int(request.thread)))
      let own = plan.orders.first {
        $0.code == .actionRequired && $0.process == Int(workload.process)
      }
      return Reply.Poisoned(
        error: 0, step: devices[place.device].geometry.alignment.bytes,
        signal: own.map { ($0.address, UInt32($0.shift)) })
    } catch {
      return Reply.Poisoned(error: -error.rawValue)
    }
  }
}
