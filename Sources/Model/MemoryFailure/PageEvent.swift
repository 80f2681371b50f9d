/// What happens to page-table entries of a device. Process and thread as the server sees them; address in the process.
public enum PageEvent: Sendable {
  /// A thread touched a page without an entry, or stored to one that it may not write. No offset: a hole of a file.
  case fault(process: Int32, thread: Int32, device: Int, offset: UInt64?, address: UInt64)
  /// Folios got entries, from `address` on; none: a page of zeroes, for a hole.
  case inserted(process: Int32, device: Int, folios: Range<Int>?, address: UInt64)
  /// Entries went: by munmap and kin, with the process, or with a file's blocks. Of a file's window with its address.
  case zapped(process: Int32, device: Int, folios: Range<Int>?, address: UInt64? = nil)
}
