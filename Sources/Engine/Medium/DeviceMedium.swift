public import LinuxSys
public import PmemBase
internal import SystemPackage

/// A real /dev/daxN.M: its pages are mapped over the windows at the device's own alignment.
///
/// Locked with flock(2), as PMDK locks it, so that no other softdax and no PMDK program uses it at the same time.
public final class DeviceMedium: Medium {
  public let kind = MediumKind.device
  public let path: String
  public let size: UInt64
  public let pageBytes: UInt64
  public let insertion = Insertion.remapped
  private let file: OwnedDescriptor

  /// - Parameters:
  ///   - size: bytes to use of it; `nil` for all.
  ///   - alignment: of the emulated device, bytes; not smaller than the real one's, which only whole pages can be mapped from.
  public init(_ device: RealDevice, size: UInt64?, alignment: UInt64) throws(MediumError) {
    path = device.path
    pageBytes = device.alignment
    guard device.alignment <= alignment else {
      throw .pagesLargerThanAlignment(
        path: device.path, pageBytes: device.alignment, alignment: alignment)
    }
    self.size = size ?? device.size / alignment * alignment
    guard self.size > 0 else { throw .sizeZero }
    guard self.size % alignment == 0 else {
      throw .sizeNotAligned(size: self.size, alignment: alignment)
    }
    guard self.size <= device.size else {
      throw .tooSmall(path: device.path, has: device.size, needs: self.size)
    }
    do throws(Errno) {
      file = try OwnedDescriptor.openExisting(device.path)
      try file.lockExclusively()
    } catch .wouldBlock {
      throw .inUse(path: device.path)
    } catch .permissionDenied {
      throw .device("\(RealDeviceError.notPermitted(path: device.path))")
    } catch {
      throw .system(call: "open", path: device.path, error)
    }
  }

  public func withDescriptor<Result, Failure: Error>(
    _ body: (borrowing OwnedDescriptor) throws(Failure) -> Result
  ) throws(Failure) -> Result { try body(file) }

  /// Every page is there.
  public func fill(offset: UInt64, length: UInt64) {}
}
