internal import FaultEngine
public import FuseMount
internal import LinuxSys
internal import MemoryFailure
internal import Synchronization

/// Mounts' failures are theirs, under their own locks; settings and observers are the machine's. A mount's lock is never asked for here.
extension MemoryFailures: FailureWitness {
  public var watchesPages: Bool { isWatched.load(ordering: .relaxed) }

  /// Ends the machine: every workload is killed.
  public func panic(device: Int, folio: Int) {
    panicked.store(true, ordering: .sequentiallyConsistent)
    note(.panicked(device: device, folio: folio))
    for workload in workloads() { BusError.kill(process: workload.process) }
  }
}
