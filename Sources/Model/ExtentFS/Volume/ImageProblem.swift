/// What is wrong with a medium that should hold a filesystem.
public enum ImageProblem: Error, Equatable, Sendable {
  /// Nothing but zeroes.
  case blank
  /// Something, but no superblock at this block.
  case noSuperblock(UInt64)
  case superblock(UInt64)
  case version(UInt32)
  /// Blocks of the medium, and of the filesystem.
  case tooShort(has: UInt64, needs: UInt64)
  case tooSmall(blocks: UInt64, least: UInt64)
  case layout
  case unreadable(block: UInt64)
  /// The number of the checkpoint in use.
  case anchor
  case checkpoint(UInt64)
  /// How many records there should be.
  case recordCount(checkpoint: UInt64)
  /// The first record that is not as it was written, and how many there are.
  case record(UInt64, of: UInt64)
  /// Contents that no filesystem has, each as a sentence.
  case contents([String])
}

extension ImageProblem: CustomStringConvertible {
  public var description: String {
    switch self {
    case .blank: "the medium is blank"
    case .noSuperblock(let block): "block \(block) holds something that is no superblock of softdax"
    case .superblock(let block):
      "the superblock in block \(block) is damaged: its checksum is wrong"
    case .version(let version):
      "the filesystem has version \(version) of the format, this softdax knows \(Superblock.version)"
    case .tooShort(let has, let needs):
      "the medium has \(has * 4096) bytes, the filesystem on it \(needs * 4096): its end is missing"
    case .tooSmall(let blocks, let least):
      "\(blocks * 4096) bytes are too few for a filesystem; \(least * 4096) is the least"
    case .layout: "the superblock names places that no softdax would choose"
    case .unreadable(let block):
      "metadata in block \(block) cannot be read: the medium is bad there"
    case .anchor: "the word that says which checkpoint counts is damaged"
    case .checkpoint(let number):
      "checkpoint \(number) of the metadata is damaged: its checksum is wrong"
    case .recordCount(let number):
      "the word that says how many records follow checkpoint \(number) is damaged"
    case .record(let number, let count):
      "record \(number) of \(count) in the log is damaged: its checksum is wrong"
    case .contents(let sentences):
      "the metadata contradicts itself: " + sentences.prefix(3).joined(separator: "; ")
        + (sentences.count > 3 ? "; and \(sentences.count - 3) more" : "")
    }
  }
}
