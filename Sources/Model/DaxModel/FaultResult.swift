public import PmemBase

/// What one attempt at a fault, of one size, came to: the bits of `vm_fault_t`.
public enum FaultResult: Equatable, Sendable {
  /// VM_FAULT_NOPAGE: the entry is there, or another thread is ahead and the access is tried again.
  /// A major one allocated blocks.
  case noPage(isMajor: Bool)
  /// VM_FAULT_FALLBACK: try the next smaller size.
  case fallback
  /// VM_FAULT_DONE_COW: a private copy was made of this.
  case copied(Iomap.Source)
  /// VM_FAULT_SIGBUS
  case busError
  /// VM_FAULT_HWPOISON
  case poisoned
  /// VM_FAULT_NEEDDSYNC: bring the file's metadata to the log, then map (MAP_SYNC).
  case needsSync(PageSize)
  /// VM_FAULT_OOM
  case outOfMemory
  /// Another task has the entry: queued, try again when woken.
  case waits(page: UInt64)
}

/// What a touch of a file mapping comes to.
public enum FileFault: Equatable, Sendable {
  /// Nothing to do: the entry allows the access.
  case present(FilePTE)
  case mapped(FilePTE, isMajor: Bool)
  /// The window has a private copy of this now.
  case copied(Iomap.Source)
  case waits(page: UInt64)
  case fatal(FaultSignal)
  case outOfMemory
  /// No window here.
  case unmapped
}

/// The signal of a touch that cannot succeed; the address is the touched byte.
public enum FaultSignal: Hashable, Sendable {
  /// SIGBUS, BUS_ADRERR.
  case addressError(UInt64)
  /// SIGBUS, BUS_MCEERR_AR, lsb 12.
  case memoryError(UInt64)
  /// SIGSEGV, SEGV_ACCERR.
  case accessError(UInt64)
}
