internal import PmemBase

/// Splitting, joining and dropping windows.
extension AddressSpace {
  /// Enters a window where none is, and joins it with its neighbours if it continues them.
  ///
  /// - Parameter entered: Its number, if it has one from its parent. Source: `vma_interval_tree_insert_after` in `dup_mmap`, kernel/fork.c
  ///   (v6.1, v7.3): a child's VMAs come in the order of the parent's.
  mutating func insert(_ window: Window, entered: UInt64? = nil) {
    var window = window
    if let entered {
      // Half of all numbers are enough for any parent, and leave the child its own.
      window.entered = min(entered, .max / 2)
      entries = max(entries, window.entered)
    } else {
      enter(&window)
    }
    windows.insert(window, at: firstWindow(endingAfter: window.range.lowerBound))
    merge(window.range)
  }

  /// The window goes into the interval tree behind those of its offset. Source: `vma_prepare`, `vma_complete`, mm/vma.c (6.1:
  /// `__vma_adjust`): a VMA whose ends change is taken out and entered again.
  private mutating func enter(_ window: inout Window) {
    entries += 1
    window.entered = entries
  }

  /// Drops every window, or part of one, in `range`.
  mutating func remove(_ range: Range<UInt64>) -> [ReleasedRun] {
    guard !range.isEmpty, overlapsWindow(range) else { return [] }
    var released = split(at: range.lowerBound) + split(at: range.upperBound)
    let gone = indices(touching: range)
    for index in gone { released += windows[index].released(in: windows[index].range) }
    windows.removeSubrange(gone)
    return released
  }

  /// Clears the page-table entries in `range`, those that it cuts included.
  mutating func clearPresence(
    in range: Range<UInt64>, where condition: (Window) -> Bool = { _ in true }
  ) -> [ReleasedRun] {
    var released: [ReleasedRun] = []
    for index in indices(touching: range) where condition(windows[index]) {
      let part = range.clamped(to: windows[index].range)
      released += windows[index].released(in: part)
      windows[index].presence.remove(Window.slots(part, windows[index].alignment))
    }
    return released
  }

  /// Changes attributes of the windows in `range`.
  ///
  /// - Returns: The entries of huge pages that the ends of the range cut.
  mutating func update(_ range: Range<UInt64>, _ body: (inout Window) -> Void) -> [ReleasedRun] {
    guard !range.isEmpty else { return [] }
    var released: [ReleasedRun] = []
    for index in indices(touching: range).reversed() {
      var changed = windows[index]
      body(&changed)
      if changed.protection == windows[index].protection, changed.advice == windows[index].advice {
        continue
      }
      let part = range.clamped(to: windows[index].range)
      released += split(at: part.lowerBound) + split(at: part.upperBound)
      body(&windows[firstWindow(endingAfter: part.lowerBound)])
    }
    merge(range)
    return released
  }

  /// Makes two windows of one at `address`.
  ///
  /// - Returns: The entry of the huge page that the cut goes through, if there is one: it cannot stay. Source: `vma_adjust_trans_huge`,
  ///   `__split_huge_pmd_locked`, mm/huge_memory.c (v6.12).
  mutating func split(at address: UInt64) -> [ReleasedRun] {
    let index = firstWindow(endingAfter: address)
    guard index < windows.count, windows[index].range.lowerBound < address else { return [] }
    var released: [ReleasedRun] = []
    let whole = windows[index]
    if !whole.alignment.isAligned(address) {
      released = clearPresence(in: address..<(address + 1))
    }
    var left = windows[index]
    var right = left
    left.range = whole.range.lowerBound..<address
    right.range = address..<whole.range.upperBound
    right.offset = whole.offset(of: address)
    left.presence = left.presence.restricted(to: Window.slots(left.range, left.alignment))
    right.presence = right.presence.restricted(to: Window.slots(right.range, right.alignment))
    enter(&left)
    enter(&right)
    windows[index] = left
    windows.insert(right, at: index + 1)
    return released
  }

  /// Joins what can be joined at the ends of `range` and inside it.
  private mutating func merge(_ range: Range<UInt64>) {
    var index = max(0, firstWindow(endingAfter: range.lowerBound) - 1)
    while index + 1 < windows.count, windows[index].range.lowerBound <= range.upperBound {
      guard windows[index].merges(with: windows[index + 1]) else {
        index += 1
        continue
      }
      let right = windows.remove(at: index + 1)
      windows[index].presence = PresenceMap(joining: windows[index].presence, right.presence)
      windows[index].range = windows[index].range.lowerBound..<right.range.upperBound
      entries += 1
      windows[index].entered = entries
    }
  }
}
