internal import PmemBase
internal import SystemPackage

extension AddressSpace {
  /// Judges madvise() other than MADV_DONTNEED.
  ///
  /// - hints for the page cache or the LRU (WILLNEED, COLD, PAGEOUT, MERGEABLE): DAX pages are in neither; nothing.
  /// - SEQUENTIAL, RANDOM, NORMAL, HUGEPAGE, NOHUGEPAGE: flags of the mapping, kept here; nothing to do outside.
  /// - DONTFORK, DONTDUMP and their opposites: the real mapping must have them; perform.
  /// - POPULATE_*: EINVAL where the protection does not allow it (`faultin_page_range`, mm/gup.c, all versions: not
  ///   EFAULT, which is for what would be SIGBUS).
  /// - REMOVE: ENODEV (oracle); EACCES for a descriptor without write access.
  /// - HWPOISON, SOFT_OFFLINE: EPERM, what a caller without CAP_SYS_ADMIN gets (`madvise_inject_error`): the model has
  ///   no poison yet.
  /// - FREE, WIPEONFORK (anonymous memory only), COLLAPSE, guard regions and unknown advice: EINVAL.
  ///
  /// Source: mm/madvise.c (v6.1, v6.12, v7.3).
  func judgeAdvice(
    _ address: UInt64, _ length: UInt64, _ advice: Int32
  ) throws(Errno) -> ChangePlan {
    guard Self.known.contains(advice) else { throw .invalidArgument }
    let range = try pages(address, length, overflow: .invalidArgument)
    guard !range.isEmpty else { return .nothing(range) }
    let touched = indices(touching: range)
    switch advice {
    case Advice.hardwarePoison, Advice.softOffline:
      throw .notPermitted
    case Advice.remove:
      let writable = touched.allSatisfy { windows[$0].access != .readOnly }
      throw writable ? .operationNotSupportedByDevice : .permissionDenied
    case Advice.populateRead, Advice.populateWrite:
      let needed: Protection = advice == Advice.populateWrite ? .write : .read
      for index in touched where !windows[index].protection.contains(needed) {
        throw .invalidArgument
      }
      return .populate(range)
    default:
      for index in touched where windows[index].advice.after(advice) != windows[index].advice {
        try checkSplit(windows[index], at: range)
      }
      return Self.performed.contains(advice) || !covers(range) ? .perform(range) : .nothing(range)
    }
  }

  /// Keeps what `advice` says of the windows in `range`.
  mutating func remember(_ advice: Int32, in range: Range<UInt64>) {
    let changes = indices(touching: range).contains {
      windows[$0].advice.after(advice) != windows[$0].advice
    }
    guard changes else { return }
    update(range) { $0.advice = $0.advice.after(advice) }
  }

  private static let performed: Set<Int32> = [
    Advice.dontFork, Advice.doFork, Advice.dontDump, Advice.doDump,
  ]

  private static let known: Set<Int32> = performed.union([
    Advice.normal, Advice.random, Advice.sequential, Advice.willNeed, Advice.remove,
    Advice.mergeable, Advice.unmergeable, Advice.hugePage, Advice.noHugePage,
    Advice.keepOnFork, Advice.cold, Advice.pageOut, Advice.populateRead, Advice.populateWrite,
    Advice.hardwarePoison, Advice.softOffline,
  ])
}
