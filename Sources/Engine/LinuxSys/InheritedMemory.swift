public import SystemPackage

/// What of a range a process has inherited or has of its own: by fork(2), of private mappings of one file.
public struct InheritedMemory: Sendable {
  public struct Piece: Sendable {
    public let addresses: Range<UInt64>
    /// Byte of the file that the first address shows; nil for anonymous memory.
    public let offset: UInt64?
  }
  public let pieces: [Piece]
  /// Pages that are the process's own.
  public let copies: [UInt64]

  /// Reads /proc/PID/maps and /proc/PID/pagemap; the process must not change them meanwhile.
  ///
  /// - Throws: What reading them throws; `.badAddress` if not all of the range is mapped.
  ///
  /// Source: Documentation/admin-guide/mm/pagemap.rst: bits 63 present, 62 swapped, 61 of a file or shared.
  public init(
    of process: Int32, in range: Range<UInt64>, file: borrowing OwnedDescriptor
  ) throws(Errno) {
    let facts = try file.facts()
    let major = facts.device >> 8 & 0xfff | facts.device >> 32 & ~0xfff
    let minor = facts.device & 0xff | facts.device >> 12 & ~0xff
    var pieces: [Piece] = []
    var end = range.lowerBound
    for mapping in ProcessFacts.mappings(process) where mapping.addresses.overlaps(range) {
      let part = mapping.addresses.clamped(to: range)
      guard part.lowerBound == end else { throw .badAddress }
      end = part.upperBound
      let isFile =
        mapping.inode == facts.inode && mapping.device == "\(major):\(minor & 0xffff_ffff)"
      pieces.append(
        Piece(
          addresses: part,
          offset: isFile
            ? mapping.offset + (part.lowerBound - mapping.addresses.lowerBound) : nil))
    }
    guard end == range.upperBound else { throw .badAddress }
    var copies: [UInt64] = []
    var at = range.lowerBound
    while at < range.upperBound {
      let count = Int(min(range.upperBound - at, 64 << 20) >> 12)
      let bytes = try SmallFile.bytes(
        "/proc/\(process)/pagemap", offset: at >> 9, count: count * 8)
      for page in 0..<bytes.count / 8 where bytes[page * 8 + 7] & 0xc0 != 0 {
        if bytes[page * 8 + 7] & 0x20 == 0 { copies.append(at + UInt64(page) << 12) }
      }
      at += UInt64(count) << 12
    }
    self.pieces = pieces
    self.copies = copies
  }
}
