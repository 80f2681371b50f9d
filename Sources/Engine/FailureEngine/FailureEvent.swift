public import MemoryFailure

/// What happens to pages that fail, as it happens. Devices are indices, sectors have 512 bytes, addresses are the workload's.
public enum FailureEvent: Sendable {
  /// Sectors of the medium are bad from now on; `isKnown`: and in the list of bad blocks.
  case injected(device: Int, sectors: Range<UInt64>, isKnown: Bool)
  /// `memory_failure()` has decided about a folio.
  case failed(device: Int, folio: Int, origin: FailureOrigin, GenericFailure)
  /// A signal was sent, or is what a touch gets. `error`: it could not be, with this errno.
  case signalled(SignalOrder, error: Int32?)
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
}
