internal import CSoftdax
public import SystemPackage

/// A process, whatever becomes of its number. Owns the pidfd.
public struct ProcessHandle: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor

  /// - Throws: `.noSuchProcess`. Source: `pidfd_open(2)` (5.3).
  public init(_ identifier: Int32) throws(Errno) {
    descriptor = OwnedDescriptor(adopting: try checked(sd_process_open(identifier)))
  }

  /// How it has ended, as wait(2) says it; `nil` while it runs, and where the kernel does not tell.
  ///
  /// - Parameter milliseconds: How long to wait for the end.
  ///
  /// Source: PIDFD_GET_INFO with PIDFD_INFO_EXIT (6.15), include/uapi/linux/pidfd.h: told once somebody has waited for it.
  public borrowing func ending(within milliseconds: Int32) -> Int32? {
    guard sd_process_wait(descriptor.raw, milliseconds) > 0 else { return nil }
    var status: CInt = 0
    let result = unsafe withUnsafeMutablePointer(to: &status) {
      unsafe sd_process_status(descriptor.raw, $0)
    }
    return result == 0 ? status : nil
  }
}
