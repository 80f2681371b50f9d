/// What a pagemap's memory is for; decides idle counts and what happens at the last put.
///
/// Source: `enum memory_type`, include/linux/memremap.h (v6.1 to v7.3).
public enum PagemapType: Sendable, CaseIterable {
  /// `MEMORY_DEVICE_GENERIC`: device-dax.
  case generic
  /// `MEMORY_DEVICE_FS_DAX`: the pages belong to a filesystem.
  case fsDax
  /// `MEMORY_DEVICE_PRIVATE`: not addressable by the CPU.
  case devicePrivate
}
