internal import DaxModel
internal import FailureEngine
internal import FaultEngine
internal import FuseMount
internal import LinuxSys
internal import Logging
internal import Medium
internal import MemoryFailure
internal import PmemBase
internal import SystemPackage
internal import Wire

extension Server {
  /// Gives the connection a thread of its own: whoever is at the other end can stall only that.
  func serve(_ channel: consuming Channel) {
    let conversation = Conversation(channel)
    guard
      registry.begin(
        conversation.identifier, of: conversation.channel.peerProcess(),
        end: { conversation.channel.shutdown() })
    else {
      logger.notice("turning a connection away")
      return
    }
    do throws(Errno) {
      try WorkerThread(name: "softdax-peer") { [self] in
        converse(conversation)
        registry.finish(conversation.identifier)
      }.detach()
    } catch {
      registry.finish(conversation.identifier)
      logger.error("no thread for a connection: \(error)")
    }
  }

  private func converse(_ conversation: Conversation) {
    do throws(WireError) {
      while true {
        var passed: OwnedDescriptor?
        guard let request = try conversation.channel.receive(passed: &passed) else { return }
        switch request {
        case .attach(let attach):
          guard let descriptor = passed.take() else {
            throw WireError.unexpected(type: 0)
          }
          try self.attach(attach, descriptor, conversation)
          return
        case .map(let map): try self.map(map, conversation)
        case .adopt(let adopt):
          try conversation.channel.send(.done(error: -self.adopt(adopt).rawValue))
        case .change(let change): try self.change(change, conversation)
        case .poison(let poison):
          try conversation.channel.send(.poisoned(self.poison(poison)))
        case .locate(let address):
          try conversation.channel.send(
            locate(address, in: conversation.channel.peerProcess()))
        case .watch(let pages):
          try watch(pages: pages, conversation)
          return
        case .populate(let populate):
          try conversation.channel.send(.done(error: -self.populate(populate).rawValue))
        case .writeAttribute(let write):
          try conversation.channel.send(.done(error: -self.write(write).rawValue))
        case .control(let control):
          try conversation.channel.send(self.control(control))
        default:
          try conversation.channel.send(try answer(request))
        }
      }
    } catch .disconnected {
    } catch {
      logger.notice("closing a connection: \(error)")
      try? conversation.channel.send(.done(error: -Errno.protocolError.rawValue))
    }
  }

  // MARK: Agents

  /// A process with its first window: serves its faults until it is gone.
  private func attach(
    _ attach: Request.Attach, _ descriptor: consuming OwnedDescriptor,
    _ conversation: Conversation
  ) throws(WireError) {
    let agent = WireAgent(
      conversation, media: devices.map(\.medium) + filesystems.map(\.medium))
    let process = conversation.channel.peerProcess()
    do throws(Errno) {
      // Its size is fixed: the workload cannot make a look at it fail.
      let ring = try OwnedDescriptor.memfd(
        name: "softdax-handled", size: UInt64(HandledRing.bytes))
      let handled = try SharedMemory(of: ring, count: HandledRing.bytes)
      let workload = try Workload(
        process: process, command: attach.command, devices: devices,
        userfaultfd: Userfaultfd(adopting: descriptor), agent: agent,
        options: options.insertion, poisonHandler: failures, withFiles: offersWindows,
        notes: RingNotes(in: handled))
      let handle = try? ProcessHandle(process)
      events.add(
        workload.token, process: process, command: attach.command, ring: handled)
      let cpu = options.cpu
      let faults = try WorkerThread(name: "softdax-fault") { [logger] in
        if let cpu { try? Placement.pin(to: cpu) }
        if let error = workload.serveFaults() {
          // Better no device than one whose touches nobody answers.
          logger.error("cannot read the faults of \(workload.command): \(error)")
          agent.dismiss()
        }
      }
      if registry.add(workload) {
        do throws(WireError) {
          try agent.welcome(token: workload.token, nonce: workload.nonce, passing: ring)
          agent.waitForEnd()
        } catch {}
      }
      workload.stopFaults(faults)
      workload.end()
      registry.remove(workload)
      // After an exec the process goes on, and says nothing.
      failures.note(
        .ended(
          process: process, status: handle?.ending(of: process, within: 200),
          handled: HandledRing.count(handled.bytes)))
      events.remove(workload.token)
    } catch {
      logger.error("cannot serve \(attach.command) (\(process)): \(error)")
      try agent.refuse(error)
    }
  }

  // MARK: Requests

  private func map(_ map: Request.Map, _ conversation: Conversation) throws(WireError) {
    if map.file != 0 { return try mapFile(map, conversation) }
    guard let workload = registry.workload(map.token), devices.indices.contains(map.device)
    else {
      try conversation.channel.send(
        .mapPlan(Reply.MapPlan(error: -Errno.noSuchAddressOrDevice.rawValue)))
      return
    }
    let medium = devices[map.device].medium
    let flags = MapFlags(rawValue: map.flags)
    let request: MapRequest
    do throws(Errno) {
      guard let access = AccessMode(rawValue: map.access) else { throw .invalidArgument }
      request = MapRequest(
        address: map.address, length: map.length, offset: map.offset,
        protection: Protection(rawValue: map.protection), access: access,
        isShared: flags.isShared, isFixed: flags.isFixed)
      let plan = try workload.plan(request, device: map.device)
      let reply = Reply.mapPlan(
        Reply.MapPlan(
          error: 0, mapsMedium: medium.insertion == .continued, length: plan.length,
          alignment: plan.alignment, congruence: plan.congruence))
      do throws(WireError) {
        if medium.insertion == .continued {
          try medium.withDescriptor { descriptor throws(WireError) in
            try conversation.channel.send(reply, passing: descriptor)
          }
        } else {
          try conversation.channel.send(reply)
        }
      } catch {
        throw .brokenPipe
      }
    } catch .brokenPipe {
      throw .disconnected(0)
    } catch {
      try conversation.channel.send(.mapPlan(Reply.MapPlan(error: -error.rawValue)))
      return
    }
    try finishMap(conversation) { mapped throws(Errno) in
      try workload.add(
        device: map.device, address: mapped.address, length: mapped.length,
        offset: map.offset, protection: request.protection, access: request.access,
        populate: flags.populates)
    }
  }

  /// The second half of an mmap: the caller has mapped, or failed; `enter` registers the window.
  func finishMap(
    _ conversation: Conversation, _ enter: (Request.Mapped) throws(Errno) -> Void
  ) throws(WireError) {
    var none: OwnedDescriptor?
    guard case .mapped(let mapped)? = try conversation.channel.receive(passed: &none) else {
      throw .unexpected(type: 0)
    }
    var result = Errno(rawValue: 0)
    if mapped.error == 0 {
      do throws(Errno) { try enter(mapped) } catch { result = error }
    }
    try conversation.channel.send(.done(error: -result.rawValue))
  }

  private func adopt(_ adopt: Request.Adopt) -> Errno {
    guard let workload = registry.workload(adopt.token) else { return .noSuchAddressOrDevice }
    do throws(Errno) {
      if adopt.file != 0 {
        try adoptFile(adopt, by: workload)
        return Errno(rawValue: 0)
      }
      guard let access = AccessMode(rawValue: adopt.access) else { throw .invalidArgument }
      try workload.add(
        device: adopt.device, address: adopt.address, length: adopt.length,
        offset: adopt.offset, protection: Protection(rawValue: adopt.protection),
        access: access, entered: adopt.entered, populate: false)
      return Errno(rawValue: 0)
    } catch {
      return error
    }
  }

  private func populate(_ populate: Request.Populate) -> Errno {
    guard let workload = registry.workload(populate.token) else { return .noSuchAddressOrDevice }
    do throws(Errno) {
      try workload.populate(address: populate.address, length: populate.length)
      return Errno(rawValue: 0)
    } catch {
      return error
    }
  }

  /// Both phases of a change; a caller that dies in between has changed nothing that its end does not undo.
  private func change(_ change: Request.Change, _ conversation: Conversation) throws(WireError) {
    guard let workload = registry.workload(change.token) else {
      try conversation.channel.send(
        .changePlan(Reply.ChangePlan(error: -Errno.noSuchAddressOrDevice.rawValue)))
      return
    }
    let plan: ChangePlan
    do throws(Errno) {
      if change.isBehindHole, !failures.options.kernel.populatesBehindHoles { throw .noMemory }
      plan = try workload.begin(
        Change(change), address: change.address, length: change.length,
        scratch: change.scratch, id: conversation.identifier)
    } catch {
      try conversation.channel.send(.changePlan(Reply.ChangePlan(error: -error.rawValue)))
      return
    }
    if plan.effect == .populate {
      do throws(Errno) {
        try workload.populate(
          address: plan.address, length: plan.length,
          isWrite: change.argument == UInt64(Advice.populateWrite))
        if let failure = plan.failure { throw failure }
      } catch {
        try conversation.channel.send(.changePlan(Reply.ChangePlan(error: -error.rawValue)))
        return
      }
    }
    do throws(WireError) {
      try conversation.channel.send(.changePlan(Reply.ChangePlan(plan)))
      if plan.effect != .perform { return }
      var none: OwnedDescriptor?
      guard case .changed(let changed)? = try conversation.channel.receive(passed: &none) else {
        throw .unexpected(type: 0)
      }
      // madvise() zaps what is mapped, and then says ENOMEM if not everything was.
      let isDone =
        changed.error == 0
        || change.operation == .zap && -changed.error == Errno.noMemory.rawValue
      workload.complete(
        id: conversation.identifier, succeeded: isDone,
        newAddress: changed.address, newLength: changed.length, cut: plan.cut)
      try conversation.channel.send(.done(error: 0))
    } catch {
      workload.abandon(id: conversation.identifier)
      throw error
    }
  }
}
