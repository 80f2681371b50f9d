internal import LinuxSys
internal import Medium
internal import PmemBase

extension DeviceSpecification {
  /// Acquires the medium: creates, checks and locks it. Returns it with the device's alignment.
  func open(name: String) throws(MediumError) -> (medium: any Medium, alignment: PageSize) {
    let alignment = self.alignment ?? .huge
    switch medium {
    case .memory:
      return (try MemoryMedium(name: name, size: try memorySize(alignment)), alignment)
    case .hugePages:
      guard alignment != .base else {
        throw .pagesLargerThanAlignment(
          path: "hugetlb", pageBytes: PageSize.huge.bytes, alignment: alignment.bytes)
      }
      return (
        try MemoryMedium(name: name, size: try memorySize(alignment), pages: alignment), alignment
      )
    case .path(let path) where path.hasPrefix("/dev/dax"):
      return try openDevice(path)
    case .path(let path):
      return (try FileMedium(path: path, size: size, alignment: alignment.bytes), alignment)
    }
  }

  /// Its medium is the file at `path`, by whatever name.
  func names(_ path: String) -> Bool {
    guard case .path(let own) = medium else { return false }
    guard let one = try? Folder.identity(Folder.canonical(own)),
      let other = try? Folder.identity(Folder.canonical(path))
    else { return false }
    return one.device == other.device && one.inode == other.inode
  }

  private func openDevice(_ path: String) throws(MediumError) -> (any Medium, PageSize) {
    let found: (device: RealDevice, alignment: PageSize)
    do throws(RealDeviceError) {
      let device = try RealDevice.find(path)
      guard let own = alignment ?? PageSize(bytes: device.alignment) else {
        throw RealDeviceError.unusable(
          name: device.name, size: device.size, alignment: device.alignment)
      }
      found = (device, own)
    } catch {
      throw .device(error.description)
    }
    return (
      try DeviceMedium(found.device, size: size, alignment: found.alignment.bytes), found.alignment
    )
  }

  private func memorySize(_ alignment: PageSize) throws(MediumError) -> UInt64 {
    let size = size ?? Self.defaultSize
    guard size > 0 else { throw .sizeZero }
    guard size % alignment.bytes == 0 else {
      throw .sizeNotAligned(size: size, alignment: alignment.bytes)
    }
    return size
  }
}
