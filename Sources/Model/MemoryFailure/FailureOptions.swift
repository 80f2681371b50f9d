public import PmemBase

/// What the emulated kernel was told about memory failures.
public struct FailureOptions: Sendable {
  /// `vm.memory_failure_early_kill`
  public var earlyKill: Bool
  /// `vm.memory_failure_recovery`; without it a failure is a panic.
  public var recovers: Bool
  public var kernel: KernelBehavior

  public init(
    earlyKill: Bool = false, recovers: Bool = true, kernel: KernelBehavior = .v7_2
  ) {
    self.earlyKill = earlyKill
    self.recovers = recovers
    self.kernel = kernel
  }
}
