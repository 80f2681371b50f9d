internal import CSoftdax
internal import Glibc
public import SystemPackage

/// A run of bytes on a filesystem's device, and whose they are; as GETFSMAP and FIEMAP tell it.
public struct SpaceRecord: Equatable, Sendable {
  public struct Flags: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Allocated, never written: reads as zeroes.
    public static let unwritten = Flags(rawValue: UInt32(SD_SPACE_UNWRITTEN))
    public static let attributes = Flags(rawValue: UInt32(SD_SPACE_ATTRIBUTES))
    /// A block of the b-tree that maps the owner.
    public static let extentMap = Flags(rawValue: UInt32(SD_SPACE_EXTENT_MAP))
    public static let shared = Flags(rawValue: UInt32(SD_SPACE_SHARED))
    /// `owner` is a code of the filesystem, no inode.
    public static let special = Flags(rawValue: UInt32(SD_SPACE_SPECIAL))
    /// The bytes have no place of their own on the device: delayed allocation, data inside the inode.
    public static let nowhere = Flags(rawValue: UInt32(SD_SPACE_NOWHERE))
    /// Compressed or encrypted: an offset inside the run is not an offset in the file.
    public static let encoded = Flags(rawValue: UInt32(SD_SPACE_ENCODED))
  }

  /// Bytes from the start of the device (or of its address space: btrfs).
  public let physical: Range<UInt64>
  /// Inode number, or a code.
  public let owner: UInt64
  /// Byte of the file that the run begins with.
  public let offset: UInt64
  public let flags: Flags
  /// dev_t of the device; 0 from FIEMAP, which does not say.
  public let device: UInt32

  init(_ record: sd_space_record) {
    let (end, overflow) = record.physical.addingReportingOverflow(record.length)
    physical = record.physical..<(overflow ? .max : end)
    owner = record.owner
    offset = record.offset
    flags = Flags(rawValue: record.flags)
    device = record.device
  }

  var c: sd_space_record {
    sd_space_record(
      physical: physical.lowerBound, length: UInt64(physical.count), owner: owner,
      offset: offset, flags: flags.rawValue, device: device)
  }
}

/// Whose bytes these are: questions to a mounted filesystem. Read-only, any thread.
public enum SpaceMap {
  private static let batch = 256

  /// Every record that overlaps `bytes` of the filesystem's device, ascending.
  ///
  /// Cost: some 20 µs for a handful of records on XFS.
  ///
  /// - Throws: `.notSupported`, `.inappropriateIOCTLForDevice` where the filesystem has no such call; `.notPermitted`.
  ///
  /// Source: `ioctl_getfsmap(2)`.
  public static func records(of path: String, in bytes: Range<UInt64>) throws(Errno)
    -> [SpaceRecord]
  {
    try records(of: OwnedDescriptor.open(path, flags: O_RDONLY), in: bytes)
  }

  /// The same of the filesystem of an open file.
  public static func records(of file: borrowing OwnedDescriptor, in bytes: Range<UInt64>)
    throws(Errno) -> [SpaceRecord]
  {
    guard !bytes.isEmpty else { return [] }
    var found: [SpaceRecord] = []
    while true {
      let some = try unsafe batch { records, capacity in
        guard let last = found.last else {
          return unsafe sd_space_map(
            file.raw, nil, bytes.lowerBound, bytes.upperBound - 1, records, capacity)
        }
        var after = last.c
        return unsafe sd_space_map(
          file.raw, &after, bytes.lowerBound, bytes.upperBound - 1, records, capacity)
      }
      found += some
      if some.count < batch { return found }
    }
  }

  /// The extents of a file that overlap `bytes` of it.
  ///
  /// Source: Documentation/filesystems/fiemap.rst.
  public static func extents(of path: String, in bytes: Range<UInt64>) throws(Errno)
    -> [SpaceRecord]
  {
    try extents(
      of: OwnedDescriptor.open(path, flags: O_RDONLY | O_NOFOLLOW | O_NONBLOCK), in: bytes)
  }

  /// The same of an open file.
  public static func extents(of file: borrowing OwnedDescriptor, in bytes: Range<UInt64>)
    throws(Errno) -> [SpaceRecord]
  {
    var found: [SpaceRecord] = []
    var start = bytes.lowerBound
    while start < bytes.upperBound {
      let length = bytes.upperBound - start
      let some = try unsafe batch { records, capacity in
        unsafe sd_file_extents(file.raw, start, length, records, capacity)
      }
      found += some
      guard some.count == batch, let last = some.last else { break }
      start = max(start + 1, last.offset + UInt64(last.physical.count))
    }
    return found
  }

  private static func batch(
    _ ask: (UnsafeMutablePointer<sd_space_record>, CInt) -> CInt
  ) throws(Errno) -> [SpaceRecord] {
    var records = [sd_space_record](repeating: sd_space_record(), count: batch)
    let count = unsafe records.withUnsafeMutableBufferPointer {
      unsafe ask($0.baseAddress!, CInt(batch))
    }
    return records[..<Int(try checked(count))].map(SpaceRecord.init)
  }
}

/// Every file below a directory, on its filesystem only; links are not followed, what cannot be read is passed over.
@safe public struct FileWalk: ~Copyable {
  public struct Entry: Sendable {
    public let inode: UInt64
    /// Bytes.
    public let size: UInt64
    public let isFile: Bool
    public let path: String
  }

  private let walk: OpaquePointer

  /// - Throws: what opening `root` failed with.
  ///
  /// Source: `fts(3)`.
  public init(_ root: String) throws(Errno) {
    var opened: OpaquePointer?
    try checked(unsafe sd_walk_open(root, &opened))
    guard let opened = unsafe opened else { throw .noMemory }
    unsafe walk = opened
  }

  deinit { unsafe sd_walk_close(walk) }

  public mutating func next() -> Entry? {
    var entry = unsafe sd_walk_entry()
    guard unsafe sd_walk_next(walk, &entry) == 1, let path = unsafe entry.path else { return nil }
    return unsafe Entry(
      inode: entry.inode, size: entry.size, isFile: entry.is_file != 0,
      path: String(cString: path))
  }
}
