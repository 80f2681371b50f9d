/// What happens to pages that fail, as it happens. Devices are indices, sectors have 512 bytes, addresses are the workload's.
public enum FailureEvent: Sendable {
  /// Sectors break. `latent`: the list of bad blocks does not say so; `poison`: the medium stays good.
  case injected(device: Int, sectors: Range<UInt64>, kind: InjectionRule.Kind)
  /// A rule's moment came, and its error could not: why.
  case ruleFailed(device: Int, InjectionRule, error: Int32)
  /// `memory_failure()` has decided about a folio.
  case failed(device: Int, folio: Int, origin: FailureOrigin, GenericFailure)
  /// A signal is sent now, or is what a touch gets.
  case signalled(SignalOrder)
  /// It could not be sent after all, with this errno.
  case signalFailed(SignalOrder, error: Int32)
  /// The folio was taken out of every page table.
  case unmapped(device: Int, folio: Int)
  /// Sectors are good again.
  case cleared(device: Int, sectors: Range<UInt64>)
  /// The device's list of bad blocks is another one.
  case badBlocksChanged(device: Int)
  case enabled(device: Int)
  case disabled(device: Int)
  /// A page failed and `vm.memory_failure_recovery` is 0: every workload is killed.
  case panicked(device: Int, folio: Int)
  /// An address space with windows is gone. `status`: as wait(2) says it, where the kernel tells (6.15) and it was the process's end;
  /// `handled`: how many memory errors its handlers have been called with.
  case ended(process: Int32, status: Int32?, handled: Int)
}
