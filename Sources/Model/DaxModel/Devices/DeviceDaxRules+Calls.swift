public import SystemPackage

extension DeviceDaxRules {
  /// A system call on a device-dax descriptor, other than mmap().
  public enum Call: Sendable, CaseIterable {
    case read
    case write
    case seek
    case synchronize
    case truncate
    case allocate
    case control
  }

  /// What the call answers; the driver has no method for any of them.
  ///
  /// - Returns: For lseek() the position, which is 0 whatever is asked for.
  /// - Throws: EINVAL, ENODEV for fallocate(), ENOTTY for ioctl().
  ///
  /// Source: `dax_fops`, drivers/dax/device.c; `vfs_read`, `vfs_fallocate`, `noop_llseek` (v6.1, v7.3); measured in
  /// devdax-2m-api.scn and devdax-4k-api.scn of Tests/ScenarioData.
  public static func answer(_ call: Call) throws(Errno) -> Int64 {
    switch call {
    case .seek: return 0
    case .read, .write, .synchronize, .truncate: throw .invalidArgument
    case .allocate: throw .operationNotSupportedByDevice
    case .control: throw .inappropriateIOCTLForDevice
    }
  }
}
