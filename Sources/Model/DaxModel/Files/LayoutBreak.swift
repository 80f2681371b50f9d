/// What it takes before a file's blocks may be taken from it.
public enum LayoutBreak: Equatable, Sendable {
  /// Nobody uses the pages; go on.
  case done
  /// A task has the entry at this page: ask again when it is unlocked.
  case waitsForEntry(page: UInt64)
  /// Somebody outside page tables uses the folio: sleep, without the filesystem's locks, until its
  /// refcount is `wakesAt`, in version 1 of the 2022 proposal until nothing has it pinned; then ask
  /// again. A signal ends an interruptible sleep with EINTR, and the entries stay (BL-04).
  case waitsForIdle(block: UInt64, wakesAt: UInt32, isInterruptible: Bool)
  /// The caller cannot sleep and must let go of its locks and begin again: ERESTARTSYS (BL-05).
  case restart
}
