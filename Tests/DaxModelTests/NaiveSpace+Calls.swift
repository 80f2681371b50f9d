import DaxModel
import SystemPackage

extension NaiveSpace {
  enum Answer: Equatable {
    case failure(Errno)
    /// The caller makes the call. `tracked`: touches wait until it is complete.
    case perform(tracked: Bool)
    case nothing
    case populate
  }

  /// What a call at page `at` gets, and what is changing after it.
  mutating func begin(_ call: Call, at: Int, pages: Int, id: UInt64) -> Answer {
    let range = at..<at + pages
    var ranges = [range]
    if case .move(_, let to, _, let fixed) = call {
      ranges = [at..<at + max(pages, 1)]
      if fixed { ranges.append(to..<to + newPages(call)) }
    }
    var answer: Answer?
    if case .move = call { answer = invalid(call, range) }
    if answer == nil, !ranges.contains(where: { touchesWindow($0.isEmpty ? at..<at + 1 : $0) }) {
      return .perform(tracked: false)
    }
    answer = answer ?? judge(call, range)
    guard answer == .perform(tracked: true) else {
      if answer == .nothing, case .advise(let advice) = call { remember(advice, range) }
      return answer!
    }
    if isZap(call) { ranges = [widened(range)] }
    if ranges.contains(where: isChanging) { return .failure(.resourceTemporarilyUnavailable) }
    var change = Pending(id: id, call: call, at: at, pages: pages, ranges: ranges)
    if case .move(let new, _, let mayMove, let fixed) = call {
      change.targetUnknown = new > pages && mayMove && !fixed
    }
    pending.append(change)
    return answer!
  }

  /// Ends a change; `newAt` is where a move went.
  mutating func complete(id: UInt64, succeeded: Bool, newAt: Int) -> [Entry] {
    guard let index = pending.firstIndex(where: { $0.id == id }) else { return [] }
    let change = pending.remove(at: index)
    guard succeeded else { return [] }
    switch change.call {
    case .unmap: return change.ranges.flatMap { remove($0) }
    case _ where isZap(change.call): return change.ranges.flatMap { clear($0) }
    case .protect(let writable):
      for page in change.ranges.joined() {
        cells[page]?.protection = writable ? [.read, .write] : .read
      }
    case .advise(let advice): for range in change.ranges { remember(advice, range) }
    case .move(let new, let to, _, let fixed):
      return move(change, pages: new, to: fixed ? to : newAt, fixed: fixed)
    default: break
    }
    return []
  }

  private mutating func move(
    _ change: Pending, pages new: Int, to place: Int, fixed: Bool
  ) -> [Entry] {
    let kept = min(change.pages, new)
    var gone = remove(change.at + kept..<change.at + change.pages)
    if fixed { gone += remove(place..<place + new) }
    guard fixed || new > change.pages, let source = cells[change.at] else { return gone }
    let size = Arena.pagesPerFolio(source.device)
    var travelling: [Int: Entry] = [:]
    if change.pages > 0 {
      for slot in stride(from: change.at, to: change.at + kept, by: size) {
        travelling[slot] = present[slot]
        present[slot] = nil
      }
      gone += remove(change.at..<change.at + kept)
    }
    let target = place..<place + new
    gone += remove(target)
    exclude(target)
    fill(target, source)
    for (slot, entry) in travelling {
      if (place - change.at) % size == 0 {
        present[slot + place - change.at] = entry
      } else {
        gone.append(entry)
      }
    }
    return gone
  }

  private mutating func exclude(_ range: Range<Int>) {
    for index in pending.indices {
      pending[index].ranges = pending[index].ranges.flatMap { old in
        [
          old.clamped(to: 0..<max(0, range.lowerBound)),
          old.clamped(to: min(range.upperBound, Arena.pages)..<Arena.pages),
        ].filter { !$0.isEmpty && old.overlaps(range) } + (old.overlaps(range) ? [] : [old])
      }
    }
  }

  private mutating func remember(_ advice: Int32, _ range: Range<Int>) {
    let pairs: [Int32: (adds: Set<Int32>, drops: Set<Int32>)] = [
      0: ([], [1, 2]), 1: ([1], [2]), 2: ([2], [1]), 10: ([10], []), 11: ([], [10]),
      14: ([], [15]), 15: ([15], []),
    ]
    guard let pair = pairs[advice] else { return }
    for page in range where cells[page] != nil {
      cells[page]!.advice.subtract(pair.drops)
      cells[page]!.advice.formUnion(pair.adds)
    }
  }

  // MARK: Judging

  func isZap(_ call: Call) -> Bool {
    call == .zap || call == .advise(4) || call == .advise(24)
  }

  private func touchesWindow(_ range: Range<Int>) -> Bool {
    range.contains { cells[$0] != nil }
  }

  private func newPages(_ call: Call) -> Int {
    if case .move(let pages, _, _, _) = call { pages } else { 0 }
  }

  /// What mremap refuses before it looks at any mapping.
  private func invalid(_ call: Call, _ old: Range<Int>) -> Answer? {
    guard case .move(let new, let to, let mayMove, let fixed) = call else { return nil }
    if new == 0 { return .failure(.invalidArgument) }
    if fixed, !mayMove || !(old.upperBound <= to || to + new <= old.lowerBound) {
      return .failure(.invalidArgument)
    }
    return nil
  }

  /// Whether a window is cut at `page` inside a huge page.
  private func cuts(_ page: Int) -> Bool {
    joined(page) && page % Arena.pagesPerFolio(cells[page]!.device) != 0
  }

  private func judge(_ call: Call, _ range: Range<Int>) -> Answer {
    let edges = [range.lowerBound, range.upperBound]
    switch call {
    case .unmap:
      return range.isEmpty || edges.contains(where: cuts)
        ? .failure(.invalidArgument) : .perform(tracked: true)
    case _ where isZap(call): return range.isEmpty ? .nothing : .perform(tracked: true)
    case .protect(let writable):
      if range.isEmpty { return .nothing }
      let wanted: Protection = writable ? [.read, .write] : .read
      for window in windows(in: range) {
        let cell = cells[window.lowerBound]!
        if cell.protection == wanted { continue }
        if writable, cell.access == .readOnly { return .failure(.permissionDenied) }
        if edges.contains(where: { window.contains($0) && cuts($0) }) {
          return .failure(.invalidArgument)
        }
      }
      return .perform(tracked: true)
    case .sync(let flags):
      if flags > 7 || flags & 5 == 5 { return .failure(.invalidArgument) }
      if range.isEmpty { return .nothing }
      let files = windows(in: range).map { cells[$0.lowerBound]!.access }
      if flags & 4 != 0, files.contains(where: { $0 != .readOnly }) {
        return .failure(.invalidArgument)
      }
      return covers(range) ? .nothing : .perform(tracked: true)
    case .advise(let advice): return judge(advice: advice, range)
    case .move(let new, let to, let mayMove, let fixed):
      let kept = min(range.count, new)
      if fixed, cuts(to) || cuts(to + new) { return .failure(.invalidArgument) }
      if kept < range.count, cuts(range.lowerBound + kept) || cuts(range.upperBound) {
        return .failure(.invalidArgument)
      }
      guard fixed || new > range.count, let window = window(at: range.lowerBound) else {
        return .perform(tracked: true)
      }
      let end = range.lowerBound + kept
      if end > window.upperBound { return .failure(.badAddress) }
      if cuts(range.lowerBound) || cuts(end) { return .failure(.invalidArgument) }
      if !mayMove, end != window.upperBound { return .failure(.noMemory) }
      return .perform(tracked: true)
    case .zap: return .perform(tracked: true)
    }
  }

  private func judge(advice: Int32, _ range: Range<Int>) -> Answer {
    if advice == 8 { return .failure(.invalidArgument) }
    if range.isEmpty { return .nothing }
    let touched = windows(in: range).map { cells[$0.lowerBound]! }
    switch advice {
    case 100: return .failure(.notPermitted)
    case 9:
      return .failure(
        touched.contains { $0.access == .readOnly }
          ? .permissionDenied : .operationNotSupportedByDevice)
    case 22, 23:
      for page in range {
        guard let cell = cells[page] else { return .failure(.noMemory) }
        if advice == 23, !cell.protection.contains(.write) { return .failure(.invalidArgument) }
        if mappable(page) == nil { return .failure(.badAddress) }
      }
      return .populate
    default:
      var after = self
      after.remember(advice, range)
      for page in [range.lowerBound, range.upperBound] where cuts(page) {
        let inside = page == range.lowerBound ? page : page - 1
        if after.cells[inside]!.advice != cells[inside]!.advice {
          return .failure(.invalidArgument)
        }
      }
      return [10, 11].contains(advice) || !covers(range) ? .perform(tracked: true) : .nothing
    }
  }

  /// With the rest of the huge pages that are cut, as far as their windows go.
  private func widened(_ range: Range<Int>) -> Range<Int> {
    var range = range
    if cells[range.lowerBound] != nil {
      range = min(range.lowerBound, visibleSlot(range.lowerBound).lowerBound)..<range.upperBound
    }
    if cells[range.upperBound - 1] != nil {
      let end = visibleSlot(range.upperBound - 1).upperBound
      range = range.lowerBound..<max(range.upperBound, end)
    }
    return range
  }
}
