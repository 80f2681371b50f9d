/// A run of blocks inside one chunk and who owns it.
///
/// One owner is in the record itself. Several are in a list, and so is one whose page the record has no room for; the record then
/// says which list, and how far into the list's run it begins, so that cutting a shared run copies no list.
struct Record {
  /// From the chunk's first block.
  private(set) var start: UInt32
  private(set) var count: UInt32
  /// Three bits that say what it is, then the inode, the kind of metadata or the list's number.
  private var word: UInt64
  /// The file's page, or the blocks between the beginning of the list's run and this record.
  private(set) var page: UInt64

  private static let tagShift: UInt64 = 61
  private static let file: UInt64 = 0
  private static let extentMap: UInt64 = 1
  private static let attributes: UInt64 = 2
  private static let metadata: UInt64 = 3
  private static let listed: UInt64 = 4

  private static let countShift = Chunk.shift
  /// A count may be that of all blocks of a chunk.
  private static let pageShift = 2 * Chunk.shift + 1

  /// nil for a file's page that a record has no room for: above 8 PiB.
  init?(start: UInt32, count: UInt32, owner: BlockOwner) {
    self.start = start
    self.count = count
    page = 0
    switch owner {
    case .file(let inode, let first):
      // What is cut from it begins up to a chunk further on.
      guard first < 1 << (64 - Self.pageShift) - Chunk.blocks else { return nil }
      word = Self.tagged(Self.file, inode)
      page = first
    case .extentMap(let inode): word = Self.tagged(Self.extentMap, inode)
    case .attributes(let inode): word = Self.tagged(Self.attributes, inode)
    case .metadata(let kind): word = Self.tagged(Self.metadata, UInt64(kind.rawValue))
    }
  }

  init(start: UInt32, count: UInt32, list: Int, skip: UInt64) {
    self.start = start
    self.count = count
    word = Self.tagged(Self.listed, UInt64(list))
    page = skip
  }

  // MARK: In memory

  /// 16 bytes: what it is; and start, count and page.
  @inline(__always)
  init(words: (UInt64, UInt64)) {
    word = words.0
    start = UInt32(truncatingIfNeeded: words.1 & (Chunk.blocks - 1))
    count = UInt32(truncatingIfNeeded: words.1 >> Self.countShift & (2 * Chunk.blocks - 1))
    page = words.1 >> Self.pageShift
  }

  var words: (UInt64, UInt64) {
    (word, UInt64(start) | UInt64(count) << Self.countShift | page << Self.pageShift)
  }

  // MARK: What it says

  var end: UInt32 { start &+ count }

  var blocks: Range<UInt32> { start..<end }

  /// The list's number, if the owners are in one.
  var list: Int? {
    word >> Self.tagShift == Self.listed ? Int(truncatingIfNeeded: payload) : nil
  }

  /// The one owner of the first block; of no meaning if there is a list.
  var owner: BlockOwner {
    switch word >> Self.tagShift {
    case Self.file: .file(inode: payload, page: page)
    case Self.extentMap: .extentMap(inode: payload)
    case Self.attributes: .attributes(inode: payload)
    default: .metadata(BlockOwner.Metadata(rawValue: UInt8(truncatingIfNeeded: payload))!)
    }
  }

  /// The first `count` blocks.
  func prefix(_ count: UInt32) -> Record {
    var part = self
    part.count = count
    return part
  }

  /// The same with the `count` blocks behind it.
  func extended(by count: UInt32) -> Record { prefix(self.count + count) }

  /// The part that begins `count` blocks further on.
  func dropping(_ count: UInt32) -> Record {
    var rest = self
    rest.start += count
    rest.count -= count
    if !isFixed { rest.page += UInt64(count) }
    return rest
  }

  /// Whether `next` goes on where this ends, with the same owner or the same list.
  func continues(into next: Record) -> Bool {
    guard end == next.start, word == next.word else { return false }
    return next.page == (isFixed ? page : page + UInt64(count))
  }

  /// Whether the owner is the same for every block.
  private var isFixed: Bool {
    let tag = word >> Self.tagShift
    return tag != Self.file && tag != Self.listed
  }

  private var payload: UInt64 { word & (1 << Self.tagShift - 1) }

  private static func tagged(_ tag: UInt64, _ payload: UInt64) -> UInt64 {
    precondition(payload >> tagShift == 0, "inode numbers have at most 61 bits")
    return tag << tagShift | payload
  }
}
