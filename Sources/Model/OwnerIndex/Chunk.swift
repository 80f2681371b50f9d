/// The runs of 8 MiB: records in order that do not overlap, two words each (`Record.words`), in one array.
struct Chunk {
  static let shift: UInt64 = 11
  static let blocks: UInt64 = 1 << shift

  private var words: ContiguousArray<UInt64> = []

  /// Records.
  var count: Int { words.count / 2 }

  /// Bytes in use, spare room included.
  var byteCount: Int { words.isEmpty ? 0 : words.capacity * 8 + arrayHeader }

  @inline(__always)
  subscript(index: Int) -> Record {
    get { Record(words: (words[2 * index], words[2 * index + 1])) }
    set { (words[2 * index], words[2 * index + 1]) = newValue.words }
  }

  var last: Record? { count > 0 ? self[count - 1] : nil }

  /// Puts a record behind all others. Amortized: an eighth of spare room at most.
  mutating func append(_ record: Record) {
    if words.count + 2 > words.capacity {
      words.reserveCapacity(words.count + max(8, words.count / 8))
    }
    words.append(record.words.0)
    words.append(record.words.1)
  }

  /// Puts records in the place of those in `indices`. Cost: a move of the records behind if there are more or fewer.
  mutating func replace(_ indices: Range<Int>, with new: [Record]) {
    var packed: [UInt64] = []
    packed.reserveCapacity(2 * new.count)
    for record in new {
      packed.append(record.words.0)
      packed.append(record.words.1)
    }
    words.replaceSubrange(2 * indices.lowerBound..<2 * indices.upperBound, with: packed)
  }

  /// Gives the spare room of growing arrays back. Cost: copies every record.
  mutating func compact() {
    guard words.capacity > words.count else { return }
    var exact = ContiguousArray<UInt64>()
    exact.reserveCapacity(words.count)
    exact.append(contentsOf: words)
    words = exact
  }
}

/// Bytes that an array has besides its elements.
let arrayHeader = 32
