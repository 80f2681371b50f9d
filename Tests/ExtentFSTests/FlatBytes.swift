import ExtentFS
import SystemPackage

/// A small device in one array, which can stop taking writes after so many: what a server that is killed leaves behind.
final class FlatBytes: DeviceBytes {
  private(set) var bytes: [UInt8]
  /// Stores seen; a block of bytes counts one for each of its pieces.
  private(set) var stores = 0
  /// Stores that are still taken.
  var limit = Int.max
  /// Bytes that one store takes at most: a copy is killed in the middle.
  var piece = 1024
  private(set) var synchronizations = 0

  init(blocks: Int) { bytes = [UInt8](repeating: 0, count: blocks * 4096) }

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var blockCount: UInt64 { UInt64(bytes.count / 4096) }

  func read(_ block: UInt64, _ part: Range<Int>, into result: inout [UInt8]) {
    let start = Int(block) * 4096
    result += bytes[start + part.lowerBound..<start + part.upperBound]
  }

  func fill(_ block: UInt64, _ part: Range<Int>, with value: UInt8) {
    store(
      [UInt8](repeating: value, count: part.count)[...], at: Int(block) * 4096 + part.lowerBound)
  }

  func write(_ block: UInt64, at offset: Int, _ new: ArraySlice<UInt8>) {
    store(new, at: Int(block) * 4096 + offset)
  }

  func copy(_ source: UInt64, to target: UInt64) {
    store(bytes[Int(source) * 4096..<Int(source + 1) * 4096], at: Int(target) * 4096)
  }

  func publish(_ word: UInt64, _ block: UInt64, at offset: Int) {
    precondition(offset % 8 == 0)
    let new = (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    store(new[...], at: Int(block) * 4096 + offset)
  }

  func synchronize() { synchronizations += 1 }

  func flip(_ index: Int, _ mask: UInt8 = 0xff) { bytes[index] ^= mask }

  private func store(_ new: ArraySlice<UInt8>, at place: Int) {
    var done = 0
    while done < new.count {
      let count = min(piece, new.count - done)
      if stores < limit {
        bytes.replaceSubrange(
          place + done..<place + done + count,
          with: new[new.startIndex + done..<new.startIndex + done + count])
      }
      stores += 1
      done += count
    }
  }
}

/// A medium with bad blocks that no write clears.
final class BadMedia: Media {
  var bad: Set<UInt64> = []
  func isReadable(blocks: Range<UInt64>) -> Bool { !blocks.contains { bad.contains($0) } }
  func clear(blocks: Range<UInt64>) -> Bool { false }
}

extension Volume {
  static let testIdentifier = [UInt8](0..<16)

  static func fresh(_ bytes: FlatBytes, media: any Media = HealthyMedia()) throws -> Volume {
    try Volume.format(
      bytes, blockCount: bytes.blockCount, identifier: testIdentifier, media: media)
    return try Volume(mounting: bytes, blockCount: bytes.blockCount, media: media)
  }

  /// As a new server would find it.
  static func again(_ bytes: FlatBytes) throws -> Volume {
    try Volume(mounting: bytes, blockCount: bytes.blockCount)
  }

  /// A file with content, in one call.
  @discardableResult
  func file(_ path: String, _ content: [UInt8]) throws -> UInt64 {
    try change { fs throws(Errno) in
      let number = try fs.create(path)
      try fs.write(number, at: 0, content)
      return number
    }
  }

  /// What a file holds.
  func content(_ path: String) throws -> [UInt8] {
    let number = try filesystem.lookup(path)
    return try filesystem.read(number, at: 0, count: Int(filesystem.size(of: number)))
  }
}
