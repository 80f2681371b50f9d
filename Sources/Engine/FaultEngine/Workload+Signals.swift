internal import LinuxSys
public import MemoryFailure
public import SystemPackage

/// Signals of memory failures, to a workload's threads.
extension Workload {
  /// Leader first, and what each has asked for: the kernel keeps it. Cost: about 10 µs for each.
  public var threads: [Candidate.Thread] {
    ProcessFacts.threads(process).map { thread in
      Candidate.Thread(
        id: Int(thread.identifier),
        policy: thread.hasPolicy ? thread.isEarly ? .early : .late : .standard)
    }
  }

  /// Sends the order's signal.
  ///
  /// - Parameter forces: Blocked or ignored, it kills. Source: `force_sig_mceerr`, kernel/signal.c; nobody else can send what cannot be
  ///   blocked, so that is SIGKILL here.
  /// - Throws: As ``BusError/queue(process:thread:nonce:code:shift:address:)``.
  public func send(_ order: SignalOrder, forces: Bool) throws(Errno) {
    let (process, thread) = (Int32(order.process), Int32(order.thread))
    if forces, ProcessFacts.avoids(signal: 7, process, thread: thread) {
      return BusError.kill(process: process)
    }
    try BusError.queue(
      process: process, thread: thread, nonce: nonce,
      code: order.code == .actionOptional ? BusError.actionOptional : BusError.actionRequired,
      shift: Int32(order.shift), address: order.address)
  }
}
