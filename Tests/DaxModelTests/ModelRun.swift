import DaxModel
import PageModel
import PmemBase
import SystemPackage

/// The model and the naive reference, driven by the same operations.
struct ModelRun {
  /// A difference, or a broken invariant.
  struct Difference: Error {
    let step: Int
    let text: String
  }

  private var spaces = [AddressSpace](repeating: AddressSpace(), count: 3)
  private var naive = [NaiveSpace](repeating: NaiveSpace(), count: 3)
  private let pagemaps = [Arena.pagemap(0), Arena.pagemap(1)]
  /// References that are not of page-table entries.
  private var users: [NaiveSpace.Entry: Int] = [:]
  private var nextID: UInt64 = 1

  /// Runs them from an empty machine to an empty machine; nil if the two agree all the time.
  static func difference(_ operations: [Operation]) -> Difference? {
    var run = ModelRun()
    do {
      for (step, operation) in operations.enumerated() {
        if let text = run.perform(operation) { return Difference(step: step, text: text) }
      }
      if let text = run.end() { return Difference(step: operations.count, text: text) }
    }
    return nil
  }

  // MARK: Steps

  private mutating func perform(_ operation: Operation) -> String? {
    switch operation {
    case .map(let space, let device, let at, let pages, let from, let writable):
      return map(
        space, device, at..<min(at + pages, Arena.pages), from: from, writable: writable)
    case .begin(let space, let call, let at, let pages):
      return begin(space, call, at: at, pages: min(pages, Arena.pages - at))
    case .complete(let space, let change, let succeeded, let place):
      return complete(space, change, succeeded: succeeded, place: place)
    case .abandon(let space, let change):
      let id = id(space, change)
      spaces[space].abandon(id: id)
      naive[space].pending.removeAll { $0.id == id }
      return check(space)
    case .fault(let space, let at, let around, let fails):
      let told = spaces[space].fault(at: Arena.address(at) + 77, around: around)
      return installed(space, told, naive[space].fault(at, around: around), fails: fails)
    case .populate(let space, let at, let pages, let limit):
      return populate(space, at..<min(at + pages, Arena.pages), limit: limit)
    case .retract(let space, let device, let at, let pages):
      return retract(space, device, at..<min(at + pages, Arena.pages))
    case .adopt(let parent, let child):
      return parent == child ? nil : adopt(parent, child)
    case .exit(let space): return exit(space)
    case .get(let device, let folio):
      pagemaps[device].get(folio: folio)
      users[.init(device: device, folio: folio), default: 0] += 1
      return checkCounts()
    case .put(let device, let folio):
      guard users[.init(device: device, folio: folio), default: 0] > 0 else { return nil }
      pagemaps[device].put(folio: folio)
      users[.init(device: device, folio: folio)]! -= 1
      return checkCounts()
    }
  }

  private mutating func map(
    _ space: Int, _ device: Int, _ range: Range<Int>, from: Int, writable: Bool
  ) -> String? {
    let wanted = naive[space].map(device: device, range: range, from: from, writable: writable)
    var told: Errno?
    do throws(Errno) {
      try spaces[space].add(
        range: Arena.addresses(range), device: device, geometry: Arena.geometries[device],
        offset: Arena.bytes(from), protection: writable ? [.read, .write] : .read,
        access: writable ? .readWrite : .readOnly)
    } catch {
      told = error
    }
    if told != wanted { return "add: \(text(told)), not \(text(wanted))" }
    return check(space)
  }

  private mutating func begin(_ space: Int, _ call: Call, at: Int, pages: Int) -> String? {
    var call = call
    if case .move(let new, let to, let mayMove, let fixed) = call {
      // The arena is the whole of user space.
      let to = min(to, Arena.pages - 1)
      let new = min(new, Arena.pages - (fixed ? to : 0))
      call = .move(pages: new, to: to, mayMove: mayMove, fixed: fixed)
      guard at < Arena.pages else { return nil }
    }
    let id = nextID
    nextID += 1
    let wanted = naive[space].begin(call, at: at, pages: pages, id: id)
    let told: NaiveSpace.Answer
    do throws(Errno) {
      let plan = try spaces[space].begin(
        change(call), address: Arena.address(at),
        length: pages == 0 ? 0 : Arena.bytes(pages) - UInt64(id % 2), id: id)
      told = answer(plan, call, space, id)
    } catch {
      told = .failure(error)
    }
    if told != wanted { return "begin \(call): \(told), not \(wanted)" }
    return check(space)
  }

  private func answer(
    _ plan: ChangePlan, _ call: Call, _ space: Int, _ id: UInt64
  ) -> NaiveSpace.Answer {
    switch plan.effect {
    case .perform: .perform(tracked: naive[space].pending.contains { $0.id == id })
    case .nothing: .nothing
    case .populate: .populate(pages: Int(plan.length >> 12), failure: plan.failure)
    }
  }

  private func change(_ call: Call) -> Change {
    switch call {
    case .unmap: .unmap
    case .zap: .zap
    case .protect(let writable): .protect(writable ? [.read, .write] : .read)
    case .move(let pages, let to, let mayMove, let fixed):
      .move(
        newLength: Arena.bytes(pages), target: Arena.address(to), mayMove: mayMove, fixed: fixed)
    case .sync(let flags): .sync(flags: flags)
    case .advise(let advice): .advise(advice)
    }
  }

  private mutating func complete(
    _ space: Int, _ change: Int, succeeded: Bool, place: Int
  ) -> String? {
    let id = id(space, change)
    var newAt = 0
    var succeeded = succeeded
    if let found = naive[space].pending.first(where: { $0.id == id }),
      case .move(let new, _, _, _) = found.call
    {
      if let at = kernelPlace(space, found, new: new, from: place) {
        newAt = at
      } else {
        succeeded = false
      }
    }
    let wanted = naive[space].complete(id: id, succeeded: succeeded, newAt: newAt)
    let told = spaces[space].complete(
      id: id, succeeded: succeeded, newAddress: Arena.address(newAt), newLength: 0)
    if let text = released(told, wanted) { return "complete: \(text)" }
    return check(space)
  }

  /// Where a kernel could put the result of mremap; nil if it has no room.
  ///
  /// A range under munmap may be free already: its completion has not come in yet.
  private func kernelPlace(
    _ space: Int, _ change: NaiveSpace.Pending, new: Int, from start: Int
  ) -> Int? {
    let model = naive[space]
    if case .move(_, let to, _, true) = change.call { return to }
    if new <= change.pages { return change.at }
    let old = change.at..<change.at + change.pages
    let unmapping = model.pending.filter { $0.call == .unmap }.flatMap(\.ranges)
    func isFree(_ range: Range<Int>) -> Bool {
      range.upperBound <= Arena.pages
        && range.allSatisfy { page in
          model.cells[page] == nil || unmapping.contains { $0.contains(page) }
        }
    }
    if change.pages > 0,
      model.window(at: change.at)?.upperBound ?? old.upperBound == old.upperBound,
      isFree(old.upperBound..<change.at + new)
    {
      return change.at
    }
    guard change.targetUnknown, let cell = model.cells[change.at] else { return nil }
    let step = Arena.pagesPerFolio(cell.device)
    for turn in 0..<Arena.pages / step {
      let at = (start / step + turn) * step % Arena.pages
      if isFree(at..<at + new), !(at..<at + new).overlaps(old) { return at }
    }
    return nil
  }

  private mutating func installed(
    _ space: Int, _ told: FaultDecision, _ wanted: FaultDecision, fails: Bool
  ) -> String? {
    if told != wanted { return "fault: \(told), not \(wanted)" }
    if case .install(let device, let folios, let address, let length) = told {
      pagemaps[device].map(folios: folios)
      if fails {
        if let text = checkCounts() { return text }
        let first = Arena.page(address)
        return retract(space, device, first..<first + Int(length >> 12))
      }
    }
    return check(space)
  }

  private mutating func populate(_ space: Int, _ range: Range<Int>, limit: Int) -> String? {
    var at = range.lowerBound
    while true {
      let told = spaces[space].populate(
        from: Arena.address(at), upTo: Arena.address(range.upperBound), limit: limit)
      let wanted = naive[space].populate(from: at, upTo: range.upperBound, limit: limit)
      guard let decision = wanted.decision else {
        return told.decision == nil ? check(space) : "populate: \(told), not nil"
      }
      guard told.decision == decision, told.next == Arena.address(wanted.next) else {
        return "populate: \(told), not \(wanted)"
      }
      if let text = installed(space, decision, decision, fails: false) { return text }
      if decision == .wait { return nil }
      at = wanted.next
    }
  }

  private mutating func retract(
    _ space: Int, _ device: Int, _ range: Range<Int>
  ) -> String? {
    let told = spaces[space].retract(
      device: device, address: Arena.address(range.lowerBound), length: Arena.bytes(range.count))
    if let text = released(told, naive[space].clear(range, device: device)) {
      return "retract: \(text)"
    }
    return check(space)
  }

  private mutating func adopt(_ parent: Int, _ child: Int) -> String? {
    if let text = exit(child) { return text }
    for window in naive[parent].windows(in: 0..<Arena.pages) {
      let cell = naive[parent].cells[window.lowerBound]!
      if let text = map(
        child, cell.device, window, from: cell.page, writable: cell.access == .readWrite)
      {
        return "adopt: \(text)"
      }
    }
    return nil
  }

  private mutating func exit(_ space: Int) -> String? {
    if let text = released(spaces[space].removeAll(), Array(naive[space].present.values)) {
      return "removeAll: \(text)"
    }
    naive[space] = NaiveSpace()
    return check(space)
  }

  /// After everybody has gone every page is idle.
  private mutating func end() -> String? {
    for space in spaces.indices {
      if let text = exit(space) { return text }
    }
    for (entry, count) in users {
      for _ in 0..<count { pagemaps[entry.device].put(folio: entry.folio) }
    }
    for (device, pagemap) in pagemaps.enumerated() where !pagemap.isIdle() {
      return "device \(device) is not idle at the end"
    }
    return nil
  }

  // MARK: Judging

  private func id(_ space: Int, _ change: Int) -> UInt64 {
    let pending = naive[space].pending
    return change < pending.count ? pending[change].id : 999_999
  }

  private func text(_ errno: Errno?) -> String { errno.map { "\($0)" } ?? "success" }

  /// Gives the references back, if exactly the right entries were released.
  private func released(_ told: [ReleasedRun], _ wanted: [NaiveSpace.Entry]) -> String? {
    let entries = told.flatMap { run in
      run.folios.map { NaiveSpace.Entry(device: run.device, folio: $0) }
    }
    func order(_ entries: [NaiveSpace.Entry]) -> [NaiveSpace.Entry] {
      entries.sorted { ($0.device, $0.folio) < ($1.device, $1.folio) }
    }
    if order(entries) != order(wanted) { return "released \(told), not \(order(wanted))" }
    for run in told { pagemaps[run.device].unmap(folios: run.folios) }
    return nil
  }

  /// The windows, the entries and the changes of one address space, then all counts.
  private func check(_ index: Int) -> String? {
    let space = spaces[index]
    let model = naive[index]
    let windows = model.windows(in: 0..<Arena.pages)
    guard space.windows.map(\.range) == windows.map(Arena.addresses) else {
      return "windows \(space.windows.map(\.range)), not \(windows.map(Arena.addresses))"
    }
    for (told, wanted) in zip(space.windows, windows) {
      let cell = model.cells[wanted.lowerBound]!
      guard
        told.device == cell.device, told.offset == Arena.bytes(cell.page),
        told.protection == cell.protection, told.access == cell.access
      else { return "window \(told.range) is not \(cell)" }
      let step = Arena.pagesPerFolio(cell.device)
      for page in stride(from: wanted.lowerBound, to: wanted.upperBound, by: step) {
        let isPresent = model.present[model.slot(page).lowerBound] != nil
        guard told.isPresent(Arena.address(page)) == isPresent else {
          return "page \(page) is \(isPresent ? "" : "not ")present"
        }
      }
    }
    if space.isChanging != !model.pending.isEmpty { return "isChanging: \(space.isChanging)" }
    return checkCounts()
  }

  /// refcount = 1 + mapcount + users, mapcount = entries in all address spaces; never less than
  /// mapcount.
  private func checkCounts() -> String? {
    for (device, pagemap) in pagemaps.enumerated() {
      var mapcounts = [UInt32](repeating: 0, count: pagemap.folioCount)
      var resident = 0
      for model in naive {
        for entry in model.present.values where entry.device == device {
          mapcounts[entry.folio] += 1
          resident += 1
        }
      }
      let told = spaces.reduce(0) { $0 + $1.mappedFolios(device: device) }
      if told != resident { return "\(told) entries on device \(device), not \(resident)" }
      for folio in 0..<pagemap.folioCount {
        let counts = pagemap.counts(folio: folio)
        let users = UInt32(users[.init(device: device, folio: folio), default: 0])
        guard
          counts.mapcount == mapcounts[folio], counts.refcount == 1 + mapcounts[folio] + users
        else {
          return "folio \(folio) of device \(device): \(counts), not mapcount \(mapcounts[folio])"
            + " and \(users) users"
        }
        let places = spaces.reduce(0) {
          $0 + $1.addresses(ofFolio: folio, device: device).count
        }
        // Two windows of one process may show a folio twice, and each of them once.
        if places != Int(mapcounts[folio]) { return "folio \(folio) is at \(places) addresses" }
      }
      if let violation = pagemap.violation() { return "\(violation)" }
    }
    return nil
  }
}
