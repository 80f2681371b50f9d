public import MemoryFailure

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
  /// `handled`: the memory errors that its handlers have been called with, the latest 127, oldest first.
  case ended(process: Int32, status: Int32?, handled: [HandledError])
}

/// A memory error that a handler of a workload was called with.
public struct HandledError: Sendable, Equatable {
  public let thread: Int32
  /// BUS_MCEERR_AR or BUS_MCEERR_AO.
  public let code: Int32
  public let address: UInt64
  public let shift: UInt32
  /// CLOCK_MONOTONIC, ns.
  public let time: UInt64

  public init(thread: Int32, code: Int32, address: UInt64, shift: UInt32, time: UInt64) {
    self.thread = thread
    self.code = code
    self.address = address
    self.shift = shift
    self.time = time
  }
}
