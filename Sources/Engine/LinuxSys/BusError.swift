internal import CSoftdax
public import SystemPackage

/// Signals to threads of other processes.
public enum BusError {
  /// si_code of a memory error. Source: include/uapi/asm-generic/siginfo.h.
  public static let actionRequired: Int32 = 4
  public static let actionOptional: Int32 = 5

  /// Queues a SIGBUS for `thread`, as the kernel's `send_sig_mceerr`: it may be blocked or ignored, and kills by default.
  ///
  /// Only the kernel may send a positive `si_code` to another process: what the signal says is in `si_uid` and `si_value`, and
  /// `nonce` in `si_pid` is how the preloaded library knows it.
  ///
  /// - Throws: `.noSuchProcess`, `.notPermitted`. Source: `rt_tgsigqueueinfo(2)`.
  public static func queue(
    process: Int32, thread: Int32, nonce: Int32, code: Int32, shift: Int32, address: UInt64
  ) throws(Errno) {
    try checked(sd_queue_bus_error(process, thread, nonce, code, shift, address))
  }

  /// SIGKILL.
  public static func kill(process: Int32) { _ = sd_kill(process, 9) }
}
