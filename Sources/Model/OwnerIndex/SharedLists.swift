/// The owners of shared runs, each list held by as many records as the run was cut into.
struct SharedLists {
  private struct List {
    var owners: [BlockOwner]
    var users: Int
  }

  private var lists: ContiguousArray<List> = []
  private var free: [Int] = []

  /// Lists in use.
  var count: Int { lists.count - free.count }

  /// Owners in all lists.
  var ownerCount: Int { lists.reduce(0) { $0 + $1.owners.count } }

  subscript(list: Int) -> [BlockOwner] { lists[list].owners }

  /// A new list with one user.
  mutating func add(_ owners: [BlockOwner]) -> Int {
    let list = List(owners: owners, users: 1)
    if let number = free.popLast() {
      lists[number] = list
      return number
    }
    lists.append(list)
    return lists.count - 1
  }

  mutating func get(_ list: Int) { lists[list].users += 1 }

  mutating func put(_ list: Int) {
    lists[list].users -= 1
    if lists[list].users == 0 {
      lists[list].owners = []
      free.append(list)
    }
  }

  /// Changes a list in place, if `list` has one user and begins where that user does; false
  /// otherwise.
  mutating func update(_ list: Int, _ change: (inout [BlockOwner]) -> Void) -> Bool {
    guard lists[list].users == 1 else { return false }
    change(&lists[list].owners)
    return true
  }
}

extension [BlockOwner] {
  /// Where `owner` is, or would be, in order.
  func place(of owner: BlockOwner) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < owner { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
