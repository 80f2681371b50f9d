public import DaxModel
public import FuseMount
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

  /// Puts a piece of a file's window in place.
  ///
  /// - Parameter device: Whose medium; mounts' come after the devices.
  /// - Throws: As `insert`; `.noSuchFileOrDirectory` where there is no window any more.
  func place(
    _ piece: WindowPiece, device: Int, at addresses: Range<UInt64>, protection: Protection)
    throws(Errno)

  /// Takes the pages of files' windows in the range away; what is no window stays.
  func zap(device: Int, _ addresses: Range<UInt64>) throws(Errno)
}

extension Agent {
  /// An agent that knows no files.
  public func place(
    _ piece: WindowPiece, device: Int, at addresses: Range<UInt64>, protection: Protection
  ) throws(Errno) { throw .notSupported }

  public func zap(device: Int, _ addresses: Range<UInt64>) throws(Errno) { throw .notSupported }
}
