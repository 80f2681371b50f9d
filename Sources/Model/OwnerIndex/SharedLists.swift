internal import PmemBase

/// The owners of shared runs, each list held by as many records as the run was cut into.
///
/// In pages, so that the first change after a copy of the index was taken copies no more than one of them.
struct SharedLists {
  private struct List {
    /// None if the list is not in use.
    var owners: [BlockOwner]
    /// Records that hold it; of a list that is not in use, the next such list.
    var users: Int
  }

  private static let pageShift = 9
  private static let pageLists = 1 << pageShift

  private var pages: ContiguousArray<ContiguousArray<List>> = []
  private var firstFree: Int?
  /// Lists in use.
  private(set) var count = 0
  /// Owners in all lists.
  private(set) var ownerCount = 0

  /// Bytes in use.
  var byteCount: Int {
    pages.count * (Self.pageLists * MemoryLayout<List>.stride + arrayHeader)
      + count * arrayHeader + ownerCount * MemoryLayout<BlockOwner>.stride
  }

  subscript(list: Int) -> [BlockOwner] { self[at: list].owners }

  /// A new list with one user.
  mutating func add(_ owners: [BlockOwner]) -> Int {
    if firstFree == nil { addPage() }
    let number = firstFree!
    let next = self[at: number].users
    firstFree = next < 0 ? nil : next
    self[at: number] = List(owners: owners, users: 1)
    count += 1
    ownerCount += owners.count
    return number
  }

  mutating func get(_ list: Int) { self[at: list].users += 1 }

  mutating func put(_ list: Int) {
    self[at: list].users -= 1
    guard self[at: list].users == 0 else { return }
    count -= 1
    ownerCount -= self[at: list].owners.count
    self[at: list] = List(owners: [], users: firstFree ?? -1)
    firstFree = list
  }

  /// Changes a list in place, if `list` has one user and begins where that user does; false
  /// otherwise.
  mutating func update(_ list: Int, _ change: (inout [BlockOwner]) -> Void) -> Bool {
    guard self[at: list].users == 1 else { return false }
    ownerCount -= self[at: list].owners.count
    change(&self[at: list].owners)
    ownerCount += self[at: list].owners.count
    return true
  }

  private subscript(at list: Int) -> List {
    get { pages[list >> Self.pageShift][list & (Self.pageLists - 1)] }
    _modify { yield &pages[list >> Self.pageShift][list & (Self.pageLists - 1)] }
  }

  private mutating func addPage() {
    let first = pages.count << Self.pageShift
    pages.append(
      ContiguousArray(
        (first..<first + Self.pageLists).map { number in
          let isLast = number == first + Self.pageLists - 1
          return List(owners: [], users: isLast ? -1 : number + 1)
        }))
    firstFree = first
  }
}

extension [BlockOwner] {
  /// Where `owner` is, or would be, in order.
  func place(of owner: BlockOwner) -> Int { partitioningIndex { $0 >= owner } }
}
