internal import MemoryFailure

/// Sending and delivering signals.
extension Simulator {
  /// Sends what memory failure handling decided.
  mutating func send(_ orders: [SignalOrder]) {
    sentSignals += orders.count
    for order in orders {
      let kind: Signal.Kind = order.code == .actionRequired ? .actionRequired : .actionOptional
      let signal = Signal(kind: kind, address: order.address, shift: order.shift)
      switch order.code {
      case .actionRequired: force(signal, on: order.thread)
      case .actionOptional: queue(signal, for: order.thread)
      }
    }
  }

  /// A signal that cannot be avoided: blocked or ignored, its action becomes the default one.
  ///
  /// Source: `force_sig_info_to_task`, kernel/signal.c (v6.1, v7.3).
  mutating func force(_ signal: Signal, on thread: Int) {
    let process = threads[thread].process
    if threads[thread].blocksBus || processes[process].onBus == .ignore {
      note(
        "force_sig_info_to_task",
        "\(name(of: thread)): \(signal.kind.code) is forced and SIGBUS is "
          + (threads[thread].blocksBus ? "blocked" : "ignored") + ": the default action, it kills")
      processes[process].onBus = .standard
      threads[thread].blocksBus = false
    }
    enqueue(signal, for: thread)
  }

  /// A signal that is queued as any other: one that is ignored is dropped, one that is blocked waits.
  ///
  /// Source: `send_sig_mceerr`, `prepare_signal`, kernel/signal.c.
  mutating func queue(_ signal: Signal, for thread: Int) {
    if !threads[thread].blocksBus, processes[threads[thread].process].onBus == .ignore {
      note("sig_ignored", "\(name(of: thread)): \(signal.kind.code) is ignored")
      return
    }
    enqueue(signal, for: thread)
  }

  private mutating func enqueue(_ signal: Signal, for thread: Int) {
    guard threads[thread].pending == nil else {
      note(
        "legacy_queue",
        "\(name(of: thread)): a SIGBUS waits already, this \(signal.kind.code) is dropped")
      return
    }
    threads[thread].pending = signal
    waitingThreads.insert(thread)
  }

  /// Lets every thread take the signal that waits for it, as it does between two steps.
  mutating func deliverSignals() {
    for thread in waitingThreads.sorted() {
      visits += 1
      deliverSignal(to: thread, inAccess: false)
    }
  }

  /// Lets one thread take the signal that waits for it.
  mutating func deliverSignal(to thread: Int, inAccess: Bool) {
    guard let signal = threads[thread].pending, !threads[thread].blocksBus else { return }
    let process = threads[thread].process
    guard processes[process].isAlive, processes[process].threads.contains(thread) else {
      waitingThreads.remove(thread)
      return
    }
    threads[thread].pending = nil
    waitingThreads.remove(thread)
    switch processes[process].onBus {
    case .ignore: break
    case .standard:
      note("get_signal", "\(name(of: thread)): no handler, \(signal.kind.code) kills the process")
      end(process, signal.ending)
    case .handler: show(signal, to: thread, inAccess: inAccess)
    }
  }

  /// A signal that an access raises by itself.
  ///
  /// - Returns: Whether the process lives on, in its handler.
  mutating func raise(_ signal: Signal, on thread: Int) -> Bool {
    let process = threads[thread].process
    if signal.kind.isBus {
      let waited = threads[thread].pending != nil
      force(signal, on: thread)
      if waited, processes[process].onBus == .standard {
        end(process, signal.ending)
        return false
      }
      deliverSignal(to: thread, inAccess: true)
      return processes[process].isAlive
    }
    // The first synchronous signal of the queue is taken, blocked or not: a SIGBUS that waits comes before this.
    // Source: `dequeue_synchronous_signal`, kernel/signal.c (v6.1, v7.3); blocked-bus-segv.scn.
    if let waiting = threads[thread].pending {
      threads[thread].pending = nil
      waitingThreads.remove(thread)
      if processes[process].onBus == .standard {
        note(
          "dequeue_synchronous_signal",
          "\(name(of: thread)): the SIGBUS that waits is first, and kills")
        end(process, waiting.ending)
        return false
      }
    }
    if processes[process].onSegment == .handler {
      show(signal, to: thread, inAccess: true)
      return true
    }
    end(process, signal.ending)
    return false
  }

  private mutating func show(_ signal: Signal, to thread: Int, inAccess: Bool) {
    let actor = threads[thread].actor
    // The handler's table has 64 places.
    guard slots[actor].signals.count < 64 else { return }
    slots[actor].signals.append(SeenSignal(signal: signal, inAccess: inAccess))
    note(
      "handler",
      "\(name(of: thread)) gets \(signal.kind.code) at \(slots[actor].names.describe(signal.address))"
        + (signal.shift.map { ", lsb \($0)" } ?? ""))
  }

  /// The signals of an actor that no step has shown yet, as a step's field.
  mutating func takeSignals(of actor: Int) -> [JSONValue.Member] {
    let seen = slots[actor].signals
    guard !seen.isEmpty else { return [] }
    slots[actor].signals = []
    let values = seen.map { event -> JSONValue in
      var members: [JSONValue.Member] = [
        .string("sig", event.signal.kind.name), .string("code", event.signal.kind.code),
        .string("addr", slots[actor].names.describe(event.signal.address)),
      ]
      if let shift = event.signal.shift { members.append(.int("addr_lsb", Int(shift))) }
      members.append(.string("in", event.inAccess ? "access" : "async"))
      return .object(members)
    }
    return [JSONValue.Member("signals", .array(values))]
  }

  /// `A`, for messages.
  func name(of thread: Int) -> String { String(Actor(index: threads[thread].actor).letter) }
}
