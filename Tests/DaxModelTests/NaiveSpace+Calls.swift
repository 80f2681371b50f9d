import DaxModel
import SystemPackage

extension NaiveSpace {
  enum Answer: Equatable {
    case failure(Errno)
    /// The caller makes the call. `tracked`: touches wait until it is complete.
    case perform(tracked: Bool)
    case nothing
    /// MADV_POPULATE_* of so many pages; then the errno.
    case populate(pages: Int, failure: Errno?)
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
      if answer == .nothing, case .advise(let advice) = call { _ = remember(advice, range) }
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
      return change.ranges.flatMap { range in
        altering(range) { $0.protection = writable ? [.read, .write] : .read }
      }
    case .advise(let advice): return change.ranges.flatMap { remember(advice, $0) }
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

  /// Changes cells. The entry of a huge page that is in two windows then is gone.
  private mutating func altering(
    _ range: Range<Int>, _ change: (inout Cell) -> Void
  ) -> [Entry] {
    for page in range where cells[page] != nil { change(&cells[page]!) }
    return [range.lowerBound, range.upperBound].flatMap { edge in
      isWhole(edge) ? [] : clear(edge..<edge + 1)
    }
  }

  /// Whether what is before `page` and what is behind it are one window, or parts of different huge pages.
  private func isWhole(_ page: Int) -> Bool {
    guard page < Arena.pages, let cell = cells[page] else { return true }
    return joined(page) || page % Arena.pagesPerFolio(cell.device) == 0
  }

  private mutating func remember(_ advice: Int32, _ range: Range<Int>) -> [Entry] {
    let pairs: [Int32: (adds: Set<Int32>, drops: Set<Int32>)] = [
      0: ([], [1, 2]), 1: ([1], [2]), 2: ([2], [1]), 10: ([10], []), 11: ([], [10]),
      14: ([], [15]), 15: ([15], []),
    ]
    guard let pair = pairs[advice] else { return [] }
    return altering(range) {
      $0.advice.subtract(pair.drops)
      $0.advice.formUnion(pair.adds)
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
      let failure = alteration(of: range) { cell in
        guard cell.protection != wanted else { return nil }
        cell.protection = wanted
        return writable && cell.access == .readOnly ? .failure(.permissionDenied) : .success(())
      }
      return failure.map { .failure($0) } ?? .perform(tracked: true)
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
      let refused = range.first { page in
        guard let cell = cells[page] else { return false }
        return !cell.protection.contains(advice == 23 ? .write : .read)
      }
      return .populate(
        pages: (refused ?? range.upperBound) - range.lowerBound,
        failure: refused.map { _ in .invalidArgument })
    default:
      var after = self
      let gone = after.remember(advice, range)
      let failure = alteration(of: range) { cell in
        var told = NaiveSpace()
        told.cells[0] = cell
        _ = told.remember(advice, 0..<1)
        defer { cell.advice = told.cells[0]!.advice }
        return cell.advice == told.cells[0]!.advice ? nil : .success(())
      }
      if let failure { return .failure(failure) }
      return [10, 11].contains(advice) || !covers(range) || !gone.isEmpty
        ? .perform(tracked: true) : .nothing
    }
  }

  /// Goes through the windows of `range` one after the other, as the kernel does: each part that changes must be one window with what is
  /// before it or behind it afterwards, or may not cut a huge page.
  ///
  /// - Parameter change: nil: the window has it already.
  private func alteration(
    of range: Range<Int>, _ change: (inout Cell) -> Result<Void, Errno>?
  ) -> Errno? {
    var after = self
    for window in windows(in: range) {
      let part = window.clamped(to: range)
      let before = after
      var answer: Result<Void, Errno>?
      for page in part { answer = change(&after.cells[page]!) }
      switch answer {
      case nil: continue
      case .failure(let errno): return errno
      case .success: break
      }
      if after.joined(part.lowerBound) || after.joined(part.upperBound) { continue }
      if [part.lowerBound, part.upperBound].contains(where: before.cuts) {
        return .invalidArgument
      }
    }
    return nil
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
