internal import PmemBase

/// Memory whose pages are handed out as folios and come back when their last reference goes: ordinary memory, or what
/// a driver does with its device's.
///
/// Not thread-safe. Pages are indices into the pagemap.
public final class FolioPool {
  public let pagemap: Pagemap
  /// What is stored in each page; 0 where nothing was.
  public internal(set) var contents: [Int: UInt64] = [:]
  private var isTaken: [Bool]

  init(_ pagemap: Pagemap) {
    self.pagemap = pagemap
    isTaken = Array(repeating: false, count: Int(pagemap.pageCount))
  }

  /// Ordinary memory of so many pages. Its pages are counted like device-private ones: idle at 0, and one reference and
  /// one mapcount for each page-table entry.
  public static func ordinary(pages: UInt64) -> FolioPool {
    FolioPool(Pagemap(type: .devicePrivate, pageCount: pages, folioSize: .base))
  }

  public var freePages: Int { isTaken.count { !$0 } }

  /// The first free, aligned run of that size, as one folio with a refcount of 1 above idle; nil if there is none.
  func take(_ size: PageSize) -> Int? {
    let count = Int(size.pages)
    let heads = stride(from: 0, through: isTaken.count - count, by: count)
    guard let head = heads.first(where: { head in !isTaken[head..<head + count].contains(true) })
    else { return nil }
    for page in head..<head + count { isTaken[page] = true }
    if size != .base { pagemap.build(head: head, size) }
    pagemap.get(folio: head)
    return head
  }

  /// The folio's last reference is gone.
  func giveBack(_ head: Int) {
    let size = pagemap.size(ofPage: UInt64(head))
    if size != .base { pagemap.split(head: head) }
    for page in head..<head + Int(size.pages) {
      isTaken[page] = false
      contents[page] = nil
    }
  }
}
