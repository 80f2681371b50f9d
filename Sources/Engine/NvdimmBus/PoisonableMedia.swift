public import SystemPackage

/// What the bus asks of the media behind its devices: which bytes are bad, and who may reach them.
///
/// Devices are numbered as ``NvdimmBus`` got them; ranges are bytes from the device's start, not empty and inside the device.
/// The bus calls with its own lock held, from any thread, one call at a time: an implementation must not call back.
public protocol PoisonableMedia: Sendable {
  /// Makes the bytes unreadable. Nobody is told: they are found by a scrub, or by whoever reads them.
  ///
  /// Source: ACPI 6.2, 9.20.7.9, ARS Error Inject.
  func inject(device: Int, bytes: Range<UInt64>) throws(Errno)

  /// Takes an injection back. What a scrub has found stays known. Source: ACPI 6.2, 9.20.7.10.
  func withdraw(device: Int, bytes: Range<UInt64>) throws(Errno)

  /// Makes the bytes readable again, with whatever they then hold, and forgets the known bad sectors that are wholly inside.
  ///
  /// - Returns: how many bytes, from the first on, were cleared.
  /// - Source: ACPI 6.2, 9.20.7.7; `nvdimm_account_cleared_poison`.
  func clear(device: Int, bytes: Range<UInt64>) throws(Errno) -> UInt64

  /// The bytes that are unreadable now, ascending and apart.
  func poisoned(device: Int) -> [Range<UInt64>]

  /// The sectors of 512 bytes that are known to be bad, ascending and apart: what `badblocks` lists.
  func badSectors(device: Int) -> [Range<UInt64>]

  /// Looks at every byte: whatever is unreadable becomes known.
  func scrub()

  /// No driver has the device any more: mappings are revoked, and none can be made. Source: `kill_dev_dax`.
  func disable(device: Int)

  /// The driver has it again.
  func enable(device: Int)
}
