/// Which inodes changed since the last record of the log.
final class ChangeLedger {
  var changed: [Inode] = []
  var gone: [Inode] = []

  var isEmpty: Bool { changed.isEmpty && gone.isEmpty }
}
