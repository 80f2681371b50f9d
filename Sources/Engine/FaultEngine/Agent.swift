public import DaxModel
public import SystemPackage

/// What only the workload's own agent thread can do to its address space.
///
/// Calls block until the agent has answered; one at a time.
public protocol Agent: Sendable {
  /// Maps [offset, offset + length) of the device's medium at `address`, over whatever is there.
  ///
  /// - Throws: what mmap(2) answered, or `.brokenPipe` when the workload is gone.
  func insert(
    device: Int, address: UInt64, length: UInt64, offset: UInt64, protection: Protection
  ) throws(Errno)

  /// Makes every touch of the range SIGBUS/BUS_ADRERR.
  func withdraw(address: UInt64, length: UInt64, protection: Protection) throws(Errno)

  /// Takes the pages out of a range of a ``Insertion/remapped`` window: a touch is an event again. The fault thread must go on reading
  /// meanwhile.
  func empty(address: UInt64, length: UInt64, protection: Protection) throws(Errno)
}
