internal import FailureEngine
internal import FaultEngine
internal import LinuxSys
internal import MemoryFailure
internal import PmemBase
internal import Synchronization
internal import SystemPackage
internal import Wire

/// Those who watch.
extension Server {
  /// Sends what happens until the other end, or the server, has enough.
  func watch(pages: Bool, _ conversation: Conversation) throws(WireError) {
    let hangup: WorkerThread
    do throws(Errno) {
      let flag = Flag()
      hangup = try WorkerThread(name: "softdax-watch") {
        conversation.channel.waitForHangup()
        flag.raise()
      }
      var next = events.begin()
      let observer =
        pages ? failures.observePages { [self] in events.append([$0.happening(self)]) } : 0
      defer {
        if pages { failures.forget(pageObserver: observer) }
        events.end()
        conversation.channel.shutdown()
        hangup.join()
      }
      do throws(WireError) {
        // So that whoever waits for it knows that nothing is missed from here on.
        try conversation.channel.send(.events([], lost: 0))
        while !flag.isRaised {
          let (news, lost) = events.take(from: &next)
          if news.isEmpty && lost == 0 {
            Pause.milliseconds(2)
          } else {
            try conversation.channel.send(.events(news, lost: lost))
          }
        }
      } catch {}
    } catch {
      throw .disconnected(error.rawValue)
    }
  }

  /// For the observer of the failure handler.
  func record(_ event: FailureEvent) {
    guard events.isWatched else { return }
    events.append(happenings(event))
  }

  private func happenings(_ event: FailureEvent) -> [Happening] {
    switch event {
    case .injected(let device, let sectors, let kind):
      var happening = Happening(.inject, device, sectors: sectors)
      happening.code = Int32(kind.wire)
      return [happening]
    case .ruleFailed(let device, _, let error):
      var happening = Happening(.refused)
      happening.device = device
      happening.error = error
      return [happening]
    case .failed(let device, let folio, let origin, let result):
      var happening = Happening(.failure, device, bytes: bytes(device, folio..<folio + 1))
      happening.process = Int32(origin.current?.process ?? 0)
      happening.thread = Int32(origin.current?.thread ?? 0)
      guard case .handled(let plan) = result else {
        happening.code = Int32(Prediction.Outcome.unknownOwner.wire)
        return [happening]
      }
      happening.code = Int32(Prediction.Outcome.handled.wire)
      return [happening] + plan.verdicts.map(Happening.init)
    case .signalled(let order): return [Happening(order)]
    case .signalFailed(let order, let error):
      var happening = Happening(order)
      happening.error = error
      return [happening]
    case .unmapped(let device, let folio):
      return [Happening(.zap, device, bytes: bytes(device, folio..<folio + 1))]
    case .cleared(let device, let sectors): return [Happening(.clear, device, sectors: sectors)]
    case .badBlocksChanged(let device): return [Happening(.badBlocks, device)]
    case .enabled(let device): return [Happening(.enable, device)]
    case .disabled(let device): return [Happening(.disable, device)]
    case .panicked(let device, let folio):
      return [Happening(.panic, device, bytes: bytes(device, folio..<folio + 1))]
    case .ended(let process, let status, _):
      var end = Happening(.end)
      end.process = process
      guard let status, status & 0x7f != 0 else { return [end] }
      var fatal = Happening(.fatal)
      fatal.process = process
      fatal.code = status & 0x7f
      return [fatal, end]
    }
  }

  fileprivate func bytes(_ device: Int, _ folios: Range<Int>) -> Range<UInt64> {
    guard devices.indices.contains(device) else {
      return UInt64(folios.lowerBound) << 12..<UInt64(folios.upperBound) << 12
    }
    return devices[device].offset(
      ofFolio: folios.lowerBound)..<devices[device].offset(ofFolio: folios.upperBound)
  }
}

/// Goes up once.
private final class Flag: Sendable {
  private let value = Atomic(false)
  var isRaised: Bool { value.load(ordering: .acquiring) }
  func raise() { value.store(true, ordering: .releasing) }
}

extension Happening {
  fileprivate init(_ kind: Kind, _ device: Int, bytes: Range<UInt64>? = nil) {
    self.init(kind)
    self.device = device
    self.bytes = bytes
  }

  fileprivate init(_ kind: Kind, _ device: Int, sectors: Range<UInt64>) {
    self.init(kind, device, bytes: sectors.lowerBound << 9..<sectors.upperBound << 9)
  }

  fileprivate init(_ order: SignalOrder) {
    self.init(.signal)
    process = Int32(order.process)
    thread = Int32(order.thread)
    address = order.address
    shift = UInt32(order.shift)
    code = order.code == .actionRequired ? BusError.actionRequired : BusError.actionOptional
  }

  fileprivate init(_ verdict: KillPlan.Verdict) {
    self.init(.verdict)
    let kind: Wire.Verdict.Kind
    switch verdict {
    case .notPresent(let process): (kind, self.process) = (.notPresent, Int32(process))
    case .notEarly(let process): (kind, self.process) = (.notEarly, Int32(process))
    case .leaderGone(let process): (kind, self.process) = (.leaderGone, Int32(process))
    case .signalled(let process, let thread, let code):
      kind = code == .actionRequired ? .actionRequired : .actionOptional
      self.process = Int32(process)
      self.thread = Int32(thread)
    }
    code = Int32(kind.wire)
  }
}

extension PageEvent {
  fileprivate func happening(_ server: Server) -> Happening {
    switch self {
    case .fault(let process, let thread, let device, let offset, let address):
      var event = Happening(
        .fault, device, bytes: offset.map { $0..<$0 + PageSize.base.bytes })
      event.process = process
      event.thread = thread
      event.address = address
      return event
    case .inserted(let process, let device, let folios, let address):
      var event = Happening(
        .insert, device, bytes: folios.map { server.bytes(device, $0) })
      event.process = process
      event.address = address
      return event
    case .zapped(let process, let device, let folios, let address):
      var event = Happening(.zap, device, bytes: folios.map { server.bytes(device, $0) })
      event.process = process
      event.address = address ?? 0
      return event
    }
  }
}
