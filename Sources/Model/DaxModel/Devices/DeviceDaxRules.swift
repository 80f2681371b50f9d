internal import PmemBase
public import SystemPackage

/// What a device-dax node says to mmap().
///
/// Source: drivers/dax/device.c `dax_mmap`, `__check_vma`, `dax_get_unmapped_area`, mm/mmap.c `do_mmap` (v6.1, v7.3);
/// measured on Linux 6.1, 6.12 and 7.2 in devdax-2m-api.scn and devdax-4k-api.scn of Tests/ScenarioData.
public enum DeviceDaxRules {
  /// Judges a call of mmap(), in the order in which the kernel finds fault.
  ///
  /// An offset past the device's end is accepted: the touch fails. An offset that is not a multiple of the
  /// alignment is not looked at either, but where the kernel chooses the address it chooses one congruent to the
  /// offset, which `__check_vma` then refuses; with less than one aligned block in the range it chooses
  /// any, and here that is an aligned one, as was measured.
  ///
  /// - Throws: EINVAL (private, empty, unaligned), EACCES (the descriptor's mode), ENXIO (the driver is gone), ENOMEM,
  ///   EOVERFLOW.
  public static func map(
    _ request: MapRequest, on device: DeviceGeometry
  ) throws(Errno) -> MapPlan {
    guard PageSize.base.isAligned(request.offset) else { throw .invalidArgument }
    guard request.length > 0 else { throw .invalidArgument }
    guard let length = PageSize.base.roundUp(request.length) else { throw .noMemory }
    guard !request.offset.addingReportingOverflow(length).overflow else { throw .overflow }
    if request.isFixed {
      guard !request.address.addingReportingOverflow(length).overflow else { throw .noMemory }
      guard PageSize.base.isAligned(request.address) else { throw .invalidArgument }
    }
    if request.isShared, request.protection.contains(.write), request.access == .readOnly {
      throw .permissionDenied
    }
    guard request.access != .writeOnly else { throw .permissionDenied }
    guard device.isAlive else { throw .noSuchAddressOrDevice }
    guard request.isShared else { throw .invalidArgument }

    let alignment = device.alignment
    guard alignment.isAligned(length) else { throw .invalidArgument }
    if request.isFixed || request.address != 0 {
      // A hint is used as it is when the place is free, rounded up to a page.
      guard let address = PageSize.base.roundUp(request.address), alignment.isAligned(address)
      else { throw .invalidArgument }
    } else if congruence(offset: request.offset, length: length, alignment: alignment) != 0 {
      throw .invalidArgument
    }
    return MapPlan(length: length, alignment: alignment.bytes, congruence: 0)
  }

  /// Judges the place that a mapping has in the end: start and length must be multiples of the alignment.
  ///
  /// - Throws: EINVAL.
  ///
  /// Source: `__check_vma`, drivers/dax/device.c (v7.3), which every fault repeats.
  public static func place(
    address: UInt64, length: UInt64, offset: UInt64, on device: DeviceGeometry
  ) throws(Errno) {
    guard
      length > 0, PageSize.base.isAligned(offset),
      device.alignment.isAligned(address), device.alignment.isAligned(length),
      address <= AddressSpace.end, length <= AddressSpace.end - address,
      !offset.addingReportingOverflow(length).overflow
    else { throw .invalidArgument }
  }

  /// What the kernel makes an address it chooses congruent to, modulo the alignment: the offset, if the range holds
  /// a whole aligned block of the device; otherwise it does not care, and 0 is as good as any.
  ///
  /// Source: `dax_get_unmapped_area`, drivers/dax/device.c (v7.3).
  static func congruence(offset: UInt64, length: UInt64, alignment: PageSize) -> UInt64 {
    guard let firstBlock = alignment.roundUp(offset) else { return 0 }
    let end = offset &+ length
    guard end > firstBlock, end - firstBlock >= alignment.bytes else { return 0 }
    return offset & (alignment.bytes - 1)
  }
}
