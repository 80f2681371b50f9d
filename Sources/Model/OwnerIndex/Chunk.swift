/// The runs of 8 MiB: records in order that do not overlap, and bits with ranks that say where each begins, in one array of words.
///
/// First the bits, in groups of four words: one that says how many records begin before each of the three behind it (16 bits
/// each), and those three, for 192 blocks. So the record of a block is one load, one population count and its place. Every
/// change keeps the ranks true: nothing has to be built before it is read. Then two words for each record (`Record.words`).
/// 352 bytes once a record is there, and 16 for each.
struct Chunk {
  static let shift: UInt64 = 11
  static let blocks: UInt64 = 1 << shift

  private static let groupBlocks: UInt64 = 192
  private static let bitWords = Int((blocks + groupBlocks - 1) / groupBlocks) * 4
  /// One in each of the three ranks of a group.
  private static let one: UInt64 = 0x1_0001_0001

  private var words: ContiguousArray<UInt64> = []

  /// Records.
  var count: Int { words.isEmpty ? 0 : (words.count - Self.bitWords) / 2 }

  /// Bytes in use, spare room included.
  var byteCount: Int { words.isEmpty ? 0 : words.capacity * 8 + arrayHeader }

  subscript(index: Int) -> Record {
    let place = Self.bitWords + 2 * index
    return Record(words: (words[place], words[place + 1]))
  }

  var last: Record? { count > 0 ? self[count - 1] : nil }

  // MARK: Finding

  /// The record that covers `offset`.
  @inline(__always)
  func record(covering offset: UInt32) -> Record? {
    let index = lastIndex(startingUpTo: offset)
    guard index >= 0 else { return nil }
    let record = self[index]
    return record.end > offset ? record : nil
  }

  /// Index of the first record that ends above `offset`.
  func firstIndex(endingAfter offset: UInt32) -> Int {
    let index = lastIndex(startingUpTo: offset)
    return index >= 0 && self[index].end > offset ? index : index + 1
  }

  /// Indices of the records that `part` touches; `part` is not empty.
  func indices(touching part: Range<UInt32>) -> Range<Int> {
    let first = firstIndex(endingAfter: part.lowerBound)
    return first..<max(first, lastIndex(startingUpTo: part.upperBound - 1) + 1)
  }

  /// Index of the last record that begins at or before `offset`; -1 if none does.
  @inline(__always)
  private func lastIndex(startingUpTo offset: UInt32) -> Int {
    if words.isEmpty { return -1 }
    let (group, place) = Self.place(offset)
    let before = words[group] >> UInt64(16 * place) & 0xffff
    let upTo = words[group + 1 + place] & (~0 >> UInt64(63 - offset & 63))
    return Int(before) + upTo.nonzeroBitCount - 1
  }

  // MARK: Changing

  /// Puts a record behind all others. Amortized: an eighth of spare room at most.
  mutating func append(_ record: Record) {
    if words.isEmpty { words = ContiguousArray(repeating: 0, count: Self.bitWords) }
    if words.count + 2 > words.capacity {
      words.reserveCapacity(words.count + max(8, words.count / 8))
    }
    words.append(record.words.0)
    words.append(record.words.1)
    toggle(record.start, by: 1)
  }

  /// Puts a record that begins where that of `index` does in its place.
  mutating func replace(_ index: Int, with record: Record) {
    assert(self[index].start == record.start)
    let place = Self.bitWords + 2 * index
    (words[place], words[place + 1]) = record.words
  }

  /// Puts records in the place of those in `indices`.
  ///
  /// Cost: a move of the records behind if there are more or fewer, and a step over the later groups for each that begins where
  /// none did, or the other way round.
  mutating func replace(_ indices: Range<Int>, with new: [Record]) {
    if words.isEmpty { words = ContiguousArray(repeating: 0, count: Self.bitWords) }
    var old = indices.lowerBound
    for record in new {
      while old < indices.upperBound, self[old].start < record.start {
        toggle(self[old].start, by: ~0)
        old += 1
      }
      if old < indices.upperBound, self[old].start == record.start {
        old += 1
      } else {
        toggle(record.start, by: 1)
      }
    }
    for index in old..<indices.upperBound { toggle(self[index].start, by: ~0) }
    var packed: [UInt64] = []
    packed.reserveCapacity(2 * new.count)
    for record in new {
      packed.append(record.words.0)
      packed.append(record.words.1)
    }
    let places =
      Self.bitWords + 2 * indices.lowerBound..<Self.bitWords + 2 * indices.upperBound
    words.replaceSubrange(places, with: packed)
  }

  /// Gives the spare room of growing arrays back. Cost: copies every record.
  mutating func compact() {
    guard words.capacity > words.count else { return }
    var exact = ContiguousArray<UInt64>()
    exact.reserveCapacity(words.count)
    exact.append(contentsOf: words)
    words = exact
  }

  /// A record begins at `offset` where none did (step 1), or none does where one did (step -1).
  private mutating func toggle(_ offset: UInt32, by step: UInt64) {
    let (group, place) = Self.place(offset)
    words[group + 1 + place] ^= 1 << UInt64(offset & 63)
    // A rank never passes a chunk's blocks and never sinks below zero: none carries into the next.
    words[group] &+= (Self.one << UInt64(16 * (place + 1)) & 0xffff_ffff_ffff) &* step
    for later in stride(from: group + 4, to: Self.bitWords, by: 4) {
      words[later] &+= Self.one &* step
    }
  }

  /// Where the group of an offset begins, and which of its three words of bits has it.
  @inline(__always)
  private static func place(_ offset: UInt32) -> (group: Int, place: Int) {
    let word = Int(offset >> 6)
    return (word / 3 * 4, word % 3)
  }
}

/// Bytes that an array has besides its elements.
let arrayHeader = 32
