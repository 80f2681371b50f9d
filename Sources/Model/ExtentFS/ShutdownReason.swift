/// Why a filesystem does nothing any more.
public enum ShutdownReason: Hashable, Sendable {
  /// Metadata on the device was lost (SHUTDOWN_CORRUPT_ONDISK).
  case corruptOnDisk
  /// Metadata in memory makes no sense: a transaction was given up half-way
  /// (SHUTDOWN_CORRUPT_INCORE).
  case corruptInMemory
  /// The device goes away (SHUTDOWN_FORCE_UMOUNT).
  case forcedUnmount
}
