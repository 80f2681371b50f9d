internal import CSoftdax
public import SystemPackage

/// A process, whatever becomes of its number. Owns the pidfd.
public struct ProcessHandle: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor

  /// - Throws: `.noSuchProcess`. Source: `pidfd_open(2)` (5.3).
  public init(_ identifier: Int32) throws(Errno) {
    descriptor = OwnedDescriptor(adopting: try checked(sd_process_open(identifier)))
  }

  /// How a process that is ending ends; `nil` at once for one that is not, such as after an exec.
  ///
  /// - Parameters:
  ///   - identifier: Its number.
  ///   - milliseconds: How long to wait for the end.
  ///
  /// Source: fields 3, 9 and 52 of /proc/PID/stat, until somebody has waited for it; then as ``ending(within:)``.
  public borrowing func ending(of identifier: Int32, within milliseconds: Int) -> Int32? {
    for _ in 0..<max(1, milliseconds) {
      guard let state = ProcessFacts.state(identifier) else { break }
      guard state.isExiting else { return nil }
      if let status = state.status { return status }
      Pause.milliseconds(1)
    }
    return ending(within: 0)
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
