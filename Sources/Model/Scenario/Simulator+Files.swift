internal import SystemPackage

/// Calls on paths.
extension Simulator {
  /// pread()
  mutating func readFile(_ path: String, _ part: Part, direct: Bool) -> Fields {
    if let refusal = refusal(path) { return refusal }
    return [.error("open: \(Errno.noSuchFileOrDirectory.name)")]
  }

  /// pwrite() of 0x77 and fsync()
  mutating func writeFile(_ path: String, _ part: Part, direct: Bool) -> Fields {
    if let refusal = refusal(path) { return refusal }
    return [.error("open: \(Errno.noSuchFileOrDirectory.name)")]
  }

  /// A device node has neither read nor write (DD-12).
  private mutating func refusal(_ path: String) -> Fields? {
    guard let name = Machine.deviceName(path: path), machine.device(named: name) != nil else {
      return nil
    }
    return [.error(.invalidArgument)]
  }

  mutating func truncateFile(_ path: String, to length: Int64) -> Result<Void, Errno> {
    if let name = Machine.deviceName(path: path), machine.device(named: name) != nil {
      return .failure(.invalidArgument)
    }
    return .failure(.noSuchFileOrDirectory)
  }

  mutating func allocateFile(
    _ path: String, _ mode: AllocateMode, _ part: Part
  ) -> Result<Void, Errno> {
    if let name = Machine.deviceName(path: path), machine.device(named: name) != nil {
      return .failure(.operationNotSupportedByDevice)
    }
    return .failure(.badFileDescriptor)
  }

  mutating func performOnFiles(_ operation: CoordinatorOperation) -> Fields {
    [.error(.noSuchFileOrDirectory)]
  }

  func physical(path: String, offset: UInt64) -> Result<UInt64, Errno> {
    .failure(.noSuchFileOrDirectory)
  }
}
