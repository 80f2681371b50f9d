internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import FuseMount
internal import LinuxSys
internal import MemoryFailure
internal import NvdimmBus
internal import OwnerIndex
internal import PmemBase
internal import SystemPackage
internal import Wire

/// What tools ask about errors and those who would meet them.
extension Server {
  func errors(_ device: Int, _ list: Request.ErrorList, from first: UInt64) -> Reply {
    guard size(device) != nil else {
      return .done(error: -Errno.operationNotSupportedByDevice.rawValue)
    }
    var sectors = BadBlocks()
    let mount = mount(device)
    switch list {
    case .known where mount != nil: sectors = mount!.badBlocks
    case .injected where mount != nil: sectors = mount!.injected
    case .known:
      for run in nvdimm.badSectors(device: device) {
        sectors.add(bytes: run.lowerBound << 9..<run.upperBound << 9)
      }
    case .injected: for bytes in nvdimm.poisoned(device: device) { sectors.add(bytes: bytes) }
    }
    let rest = sectors.ranges.drop { $0.upperBound <= first }
    let part = rest.prefix(Reply.rangesPerMessage)
    return .errors(Array(part), next: rest.dropFirst(part.count).first?.lowerBound ?? 0)
  }

  func armed(_ device: Int, from first: UInt32) -> Reply {
    guard size(device) != nil else {
      return .done(error: -Errno.operationNotSupportedByDevice.rawValue)
    }
    let all = mount(device)?.armed ?? failures.armed(device: device)
    let (part, next) = all.part(from: first, of: Reply.armedPerMessage)
    return .armed(part, next: next)
  }

  /// Scrubs are complete when the one who asked for them is answered: waiting is asking how many there were.
  func scrub(starts: Bool) -> Reply {
    if starts {
      nvdimm.startScrub()
      for filesystem in filesystems { filesystem.scrub() }
    }
    return .scrubbed(count: nvdimm.scrubs)
  }

  func withdraw(device: Int, first: UInt64, count: UInt64) -> Errno {
    do throws(Errno) {
      guard let size = size(device) else { throw .operationNotSupportedByDevice }
      let all = size >> 9
      guard first < all, count > 0, count <= all - first else { throw .outOfRange }
      if let mount = mount(device) {
        mount.disarm(sectors: first..<first + count)
        try mount.withdraw(sectors: first..<first + count)
        return Errno(rawValue: 0)
      }
      failures.disarm(device: device, sectors: first..<first + count)
      try nvdimm.withdraw(device: device, bytes: first << 9..<(first + count) << 9)
      return Errno(rawValue: 0)
    } catch {
      return error
    }
  }

  func owners(_ device: Int, page: UInt64, from first: UInt32) -> Reply {
    do throws(Errno) {
      let (part, next) = try mappers(device, page).part(from: first, of: Reply.ownersPerMessage)
      return .owners(part, next: next)
    } catch {
      return .done(error: -error.rawValue)
    }
  }

  private func mappers(_ device: Int, _ page: UInt64) throws(Errno) -> [PageMapper] {
    guard let mount = mount(device) else {
      return try failures.mappers(device: device, page: page)
    }
    return try mount.mappers(block: page)
  }

  func blockOwners(_ device: Int, page: UInt64, from first: UInt32) -> Reply {
    do throws(Errno) {
      guard let mount = mount(device) else { throw .operationNotSupportedByDevice }
      let (part, next) = try mount.holdings(ofBlock: page)
        .part(from: first, of: Reply.blockOwnersPerMessage)
      return .blockOwners(part, next: next)
    } catch {
      return .done(error: -error.rawValue)
    }
  }

  func paths(_ device: Int, _ inodes: [UInt64]) -> Reply {
    guard let mount = mount(device) else {
      return .done(error: -Errno.operationNotSupportedByDevice.rawValue)
    }
    let found = mount.paths(of: Set(inodes))
    return .paths(fitting: inodes.map { found[$0] ?? "" })
  }

  func predict(
    _ device: Int, page: UInt64, _ kind: InjectionRule.Kind, _ process: Int32?,
    _ kernel: KernelBehavior?, from first: UInt32
  ) -> Reply {
    do throws(Errno) {
      var prediction = try predict(device, page, kind, process, kernel)
      let (part, next) = prediction.verdicts.part(from: first, of: Reply.verdictsPerMessage)
      prediction.verdicts = part
      return .prediction(prediction, next: next)
    } catch {
      return .done(error: -error.rawValue)
    }
  }

  private func predict(
    _ device: Int, _ page: UInt64, _ kind: InjectionRule.Kind, _ process: Int32?,
    _ kernel: KernelBehavior?
  ) throws(Errno) -> Prediction {
    let origin: FailureOrigin
    switch kind {
    case .media, .latent:
      _ = try mappers(device, page)
      return Prediction(outcome: .later)
    case .poison:
      origin =
        process.map { .injection(process: Int($0), thread: Int($0)) } ?? .injectionByBystander
    case .machineCheck:
      origin = process.map { .consumed(process: Int($0), thread: Int($0)) } ?? .machineCheck
    }
    if let process {
      guard registry.workloads.contains(where: { $0.process == process }) else {
        throw .noSuchProcess
      }
      guard
        try mappers(device, page).contains(where: { $0.process == process })
      else { throw .badAddress }
    }
    guard failures.options.recovers else { return Prediction(outcome: .panic) }
    guard let mount = mount(device) else {
      // The handler's rules for device-dax are the same in all kernels.
      let decided = try failures.dryRun(
        device: device, page: page, origin: origin, faultsIn: process != nil)
      guard case .handled(let plan) = decided else { return Prediction(outcome: .unknownOwner) }
      return prediction(.handled, plan)
    }
    switch try mount.prediction(block: page, origin: origin, kernel: kernel) {
    case .handled(let plan): return prediction(.handled, plan)
    case .shutsDown(let plan): return prediction(.shutdown, plan)
    case .ownerUnknown: return Prediction(outcome: .unknownOwner)
    case .ioError: return Prediction(outcome: .ioError)
    case .panic: return Prediction(outcome: .panic)
    }
  }

  private func prediction(_ outcome: Prediction.Outcome, _ plan: KillPlan) -> Prediction {
    let workloads = registry.workloads
    func command(_ process: Int) -> String {
      workloads.first { Int($0.process) == process }?.command ?? ""
    }
    var verdicts: [Verdict] = []
    for verdict in plan.verdicts {
      func passed(_ kind: Verdict.Kind, _ process: Int) {
        verdicts.append(
          Verdict(kind: kind, process: Int32(process), command: command(process)))
      }
      switch verdict {
      case .notPresent(let process): passed(.notPresent, process)
      case .notEarly(let process): passed(.notEarly, process)
      case .leaderGone(let process): passed(.leaderGone, process)
      case .signalled: break
      }
    }
    verdicts += plan.orders.map { order in
      Verdict(
        kind: order.code == .actionRequired ? .actionRequired : .actionOptional,
        process: Int32(order.process), command: command(order.process),
        thread: Int32(order.thread), address: order.address, shift: UInt32(order.shift))
    }
    return Prediction(
      outcome: outcome, unmapShift: UInt32(plan.unmapShift ?? 0), verdicts: verdicts)
  }
}

extension Array {
  /// As much as one message holds, and the number of what comes next; 0: that was all.
  fileprivate func part(from first: UInt32, of most: Int) -> (part: [Element], next: UInt32) {
    let rest = dropFirst(Int(first))
    let part = rest.prefix(most)
    return (Array(part), part.count < rest.count ? first + UInt32(part.count) : 0)
  }
}
