internal import SystemPackage

/// The log on the medium: two halves, each a *checkpoint* (all inodes) and the *records* (what changed) since.
///
/// ```
/// block 0            the anchor: which checkpoint counts
/// half 0, half 1     header block: header, its copy, the count of records
///                    body of the checkpoint, then records one after another
/// ```
///
/// Checkpoint n is in half n & 1, so that writing one leaves the one before it and its records alone. What counts is
/// switched by one store: the anchor for a checkpoint, the count for a record; both are stored after what they speak of. So a
/// server that is killed at any moment leaves the state before a change or the one after it. A record names its place in the
/// sequence and the sum of the record before it; what an older checkpoint left behind is none of this one.
struct MetadataLog {
  let bytes: any DeviceBytes
  let media: any Media
  /// The blocks of the log on the device.
  let blocks: Range<UInt64>

  /// The checkpoint that counts.
  private(set) var epoch: UInt64 = 0
  private var position: UInt64 = 0
  private(set) var recordCount: UInt64 = 0
  private var lastSum: UInt32 = 0

  init(_ blocks: Range<UInt64>, on bytes: any DeviceBytes, media: any Media) {
    self.blocks = blocks
    self.bytes = bytes
    self.media = media
  }

  // MARK: Places

  private static let headerSize = 48
  private static let headerCopy = 2048
  private static let countOffset = 4088
  private static let recordHeader: UInt64 = 32
  private static let headerMagic: UInt64 = 0x5054_4b43_5846_4453
  private static let recordMagic: UInt32 = 0x5258_4453

  /// Bytes of a half behind its header block.
  static func capacity(logBlocks: UInt64) -> UInt64 {
    logBlocks < 5 ? 0 : ((logBlocks - 1) / 2 - 1) * 4096
  }

  var capacity: UInt64 { Self.capacity(logBlocks: UInt64(blocks.count)) }

  /// Bytes that records may still take.
  var room: UInt64 { capacity - position }

  /// The header block of the half that checkpoint `epoch` is in.
  private func half(_ epoch: UInt64) -> UInt64 {
    blocks.lowerBound + 1 + (epoch & 1) * ((UInt64(blocks.count) - 1) / 2)
  }

  // MARK: Writing

  /// What a checkpoint says of itself.
  struct Header: Equatable {
    var epoch: UInt64
    var count: UInt64
    var sum: UInt32
    var flags: Flags

    struct Flags: OptionSet {
      let rawValue: UInt32
      /// The filesystem was unmounted with it.
      static let clean = Flags(rawValue: 1)
      /// A mount began with it: what had no name was removed before.
      static let mount = Flags(rawValue: 2)
      /// It has changes that no record of the half before it has.
      static let ahead = Flags(rawValue: 4)
    }
  }

  /// Makes `body` the state that counts, as checkpoint number `epoch`.
  ///
  /// - Throws: EIO over a bad block; the state before still counts.
  mutating func checkpoint(_ body: [UInt8], epoch: UInt64, flags: Header.Flags) throws(Errno) {
    precondition(UInt64(body.count) <= capacity, "a checkpoint larger than half the log")
    let start = half(epoch)
    let used = start..<start + 1 + UInt64(body.count + 4095) / 4096
    try check(used)
    try check(blocks.lowerBound..<blocks.lowerBound + 1)
    bytes.writeRun(start + 1, at: 0, body)
    let header = encode(
      Header(epoch: epoch, count: UInt64(body.count), sum: Checksum.of(body), flags: flags))
    bytes.write(start, at: 0, header[...])
    bytes.write(start, at: Self.headerCopy, header[...])
    bytes.publish(CheckedNumber(0).word, start, at: Self.countOffset)
    try bytes.synchronize()
    bytes.publish(CheckedNumber(epoch).word, blocks.lowerBound, at: 0)
    try bytes.synchronize()
    self.epoch = epoch
    position = UInt64(body.count + 7) & ~7
    recordCount = 0
    lastSum = Checksum.of(header)
  }

  /// Bytes that a record of a payload takes.
  static func recordSize(_ count: Int) -> UInt64 { (recordHeader + UInt64(count) + 7) & ~7 }

  /// Adds a record, which must fit into `room`.
  ///
  /// - Throws: EIO over a bad block; the record does not count then.
  mutating func append(_ payload: [UInt8]) throws(Errno) {
    let size = Self.recordSize(payload.count)
    precondition(size <= room, "a record larger than what is left of the log")
    let start = half(epoch)
    try check(start + 1 + position / 4096..<start + 1 + (position + size + 4095) / 4096)
    try check(start..<start + 1)
    let (record, sum) = encode(payload, number: recordCount + 1)
    bytes.writeRun(start + 1, at: position, record)
    bytes.publish(CheckedNumber(recordCount + 1).word, start, at: Self.countOffset)
    recordCount += 1
    position += size
    lastSum = sum
  }

  private func check(_ blocks: Range<UInt64>) throws(Errno) {
    guard media.isReadable(blocks: blocks) else { throw .ioError }
  }

  // MARK: Reading

  /// Which checkpoint counts.
  func readAnchor() throws(ImageProblem) -> UInt64 {
    guard let number = CheckedNumber(word: try readWord(blocks.lowerBound, at: 0)) else {
      throw .anchor
    }
    return number.value
  }

  /// The header that checkpoint `epoch` would have: the first of two copies that is whole, whatever it says.
  func readHeader(inHalfOf epoch: UInt64) throws(ImageProblem) -> Header? {
    let block = half(epoch)
    let present = try read(block, from: 0, count: 4096)
    for place in [0, Self.headerCopy] {
      let part = Array(present[place..<place + Self.headerSize])
      if let header = decode(part), header.epoch & 1 == epoch & 1, header.count <= capacity {
        return header
      }
    }
    return nil
  }

  /// - Throws: `.checkpoint` if it is not what the header says.
  func readBody(_ header: Header) throws(ImageProblem) -> [UInt8] {
    let body = try read(half(header.epoch) + 1, from: 0, count: Int(header.count))
    guard Checksum.of(body) == header.sum else { throw .checkpoint(header.epoch) }
    return body
  }

  /// How many records follow a checkpoint.
  func readCount(_ epoch: UInt64) throws(ImageProblem) -> UInt64 {
    guard let count = CheckedNumber(word: try readWord(half(epoch), at: Self.countOffset)) else {
      throw .recordCount(checkpoint: epoch)
    }
    return count.value
  }

  /// Goes through the records after a checkpoint, at most `limit` of them.
  ///
  /// - Returns: How many are whole, one after another.
  func readRecords(
    _ header: Header, limit: UInt64,
    _ body: ([UInt8]) throws(ImageProblem) -> Void
  ) throws(ImageProblem) -> UInt64 {
    let start = half(header.epoch) + 1
    var position = (header.count + 7) & ~7
    var sum = Checksum.of(encode(header))
    var count: UInt64 = 0
    while count < limit, capacity - position >= Self.recordHeader {
      let head = try read(start, from: position, count: Int(Self.recordHeader))
      var reader = ByteReader(head)
      guard let magic = try? reader.take(UInt32.self), magic == Self.recordMagic,
        let length = try? reader.take(UInt32.self),
        Self.recordSize(Int(length)) <= capacity - position
      else { break }
      let payload = try read(
        start, from: position + Self.recordHeader, count: Int(length))
      let (expected, next) = encode(payload, number: count + 1, epoch: header.epoch, after: sum)
      guard Array(expected[..<Int(Self.recordHeader)]) == head else { break }
      try body(payload)
      sum = next
      count += 1
      position += Self.recordSize(Int(length))
    }
    return count
  }

  private func read(
    _ block: UInt64, from position: UInt64, count: Int
  ) throws(ImageProblem) -> [UInt8] {
    let first = block + position / 4096
    let last = block + (position + UInt64(count) + 4095) / 4096
    guard media.isReadable(blocks: first..<last) else {
      let bad = (first..<last).first { !media.isReadable(blocks: $0..<$0 + 1) }
      throw .unreadable(block: bad ?? first)
    }
    return bytes.readRun(block, from: position, count: count)
  }

  private func readWord(_ block: UInt64, at offset: Int) throws(ImageProblem) -> UInt64 {
    var reader = ByteReader(try read(block, from: UInt64(offset), count: 8))
    guard let word = try? reader.take(UInt64.self) else { throw .unreadable(block: block) }
    return word
  }

  // MARK: Formats

  private func encode(_ header: Header) -> [UInt8] {
    var writer = ByteWriter()
    writer.put(Self.headerMagic)
    writer.put(header.epoch)
    writer.put(header.count)
    writer.put(header.sum)
    writer.put(header.flags.rawValue)
    writer.put([UInt8](repeating: 0, count: Self.headerSize - 4 - writer.bytes.count))
    writer.put(Checksum.of(writer.bytes))
    return writer.bytes
  }

  private func decode(_ bytes: [UInt8]) -> Header? {
    var reader = ByteReader(bytes)
    guard let magic = try? reader.take(UInt64.self), magic == Self.headerMagic,
      let epoch = try? reader.take(UInt64.self), let count = try? reader.take(UInt64.self),
      let sum = try? reader.take(UInt32.self), let flags = try? reader.take(UInt32.self)
    else { return nil }
    let header = Header(
      epoch: epoch, count: count, sum: sum, flags: Header.Flags(rawValue: flags))
    return encode(header) == bytes ? header : nil
  }

  private func encode(_ payload: [UInt8], number: UInt64) -> (record: [UInt8], sum: UInt32) {
    encode(payload, number: number, epoch: epoch, after: lastSum)
  }

  /// A record and its sum, which covers the header too.
  private func encode(
    _ payload: [UInt8], number: UInt64, epoch: UInt64, after previous: UInt32
  ) -> (record: [UInt8], sum: UInt32) {
    var writer = ByteWriter()
    writer.put(Self.recordMagic)
    writer.put(UInt32(payload.count))
    writer.put(epoch)
    writer.put(number)
    writer.put(previous)
    var checksum = Checksum()
    checksum.add(writer.bytes)
    checksum.add(payload)
    writer.put(checksum.value)
    writer.put(payload)
    return (writer.bytes, checksum.value)
  }
}
