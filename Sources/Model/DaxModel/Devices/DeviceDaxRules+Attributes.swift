internal import PmemBase
public import SystemPackage

extension DeviceDaxRules {
  /// A device on the dax bus, as the stores to its attributes see it. Bytes.
  public struct BusDevice: Sendable {
    public var size: UInt64
    public var alignment: UInt64
    /// What the region has left.
    public var available: UInt64
    /// Whether a driver is bound to it.
    public var isBound: Bool

    public init(size: UInt64, alignment: UInt64, available: UInt64, isBound: Bool) {
      self.size = size
      self.alignment = alignment
      self.available = available
      self.isBound = isBound
    }
  }

  /// A write to `size` in sysfs.
  ///
  /// - Throws: EINVAL for what is no number or no multiple of 2 MiB and the alignment, EBUSY while bound, ENOSPC.
  ///
  /// Source: `size_store`, `dev_dax_resize`, drivers/dax/bus.c (v6.1, v7.3).
  public static func store(size text: String, to device: inout BusDevice) throws(Errno) {
    guard let size = number(text) else { throw .invalidArgument }
    guard size % max(device.alignment, PageSize.huge.bytes) == 0 else { throw .invalidArgument }
    guard !device.isBound else { throw .resourceBusy }
    guard size <= device.size || size - device.size <= device.available else { throw .noSpace }
    device.available = device.available &+ device.size &- size
    device.size = size
  }

  /// A write to `align` in sysfs.
  ///
  /// - Throws: ENXIO for what is no number, EINVAL for what is no page size or does not divide the device, EBUSY while
  ///   bound.
  ///
  /// Source: `align_store`, `dax_align_valid`, drivers/dax/bus.c (v6.1, v7.3).
  public static func store(alignment text: String, to device: inout BusDevice) throws(Errno) {
    guard let value = number(text) else { throw .noSuchAddressOrDevice }
    guard PageSize.allCases.contains(where: { $0.bytes == value }) else { throw .invalidArgument }
    guard !device.isBound else { throw .resourceBusy }
    guard device.size % value == 0 else { throw .invalidArgument }
    device.alignment = value
  }

  /// kstrtoull with base 0, and the newline that `echo` adds.
  private static func number(_ text: String) -> UInt64? {
    var digits = text.hasSuffix("\n") ? text.dropLast() : text[...]
    if digits.hasPrefix("0x") {
      digits = digits.dropFirst(2)
      return UInt64(digits, radix: 16)
    }
    return digits.count > 1 && digits.hasPrefix("0") ? UInt64(digits, radix: 8) : UInt64(digits)
  }
}
