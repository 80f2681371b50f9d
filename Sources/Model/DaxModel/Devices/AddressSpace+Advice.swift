internal import PmemBase
internal import SystemPackage

extension AddressSpace {
  /// Judges madvise() other than MADV_DONTNEED.
  ///
  /// - hints for the page cache or the LRU (WILLNEED, COLD, PAGEOUT, MERGEABLE): DAX pages are in neither; nothing.
  /// - SEQUENTIAL, RANDOM, NORMAL, HUGEPAGE, NOHUGEPAGE: flags of the mapping, kept here; nothing to do outside.
  /// - DONTFORK, DONTDUMP and their opposites: the real mapping must have them; perform.
  /// - POPULATE_*: see `judgePopulate`.
  /// - REMOVE: ENODEV; EACCES for a descriptor without write access.
  /// - HWPOISON, SOFT_OFFLINE: EPERM, what a caller without CAP_SYS_ADMIN gets (`madvise_inject_error`); for one
  ///   who has it they are no change of the address space, and whoever drives the model does them.
  /// - FREE, WIPEONFORK (anonymous memory only), COLLAPSE, guard regions and unknown advice: EINVAL.
  ///
  /// Source: mm/madvise.c (v6.1, v6.12, v7.3).
  func judgeAdvice(
    _ address: UInt64, _ length: UInt64, _ advice: Int32
  ) throws(Errno) -> ChangePlan {
    guard Self.known.contains(advice) else { throw .invalidArgument }
    let range = try Self.pages(address, length, overflow: .invalidArgument)
    guard !range.isEmpty else { return .nothing(range) }
    let touched = indices(touching: range)
    switch advice {
    case Advice.hardwarePoison, Advice.softOffline:
      throw .notPermitted
    case Advice.remove:
      let writable = touched.allSatisfy { windows[$0].access != .readOnly }
      throw writable ? .operationNotSupportedByDevice : .permissionDenied
    case Advice.populateRead, Advice.populateWrite:
      return judgePopulate(range, needs: advice == Advice.populateWrite ? .write : .read)
    default:
      let cut = try checkSplits(in: range) { window in
        defer { window.advice = window.advice.after(advice) }
        return window.advice.after(advice) != window.advice
      }
      let isPerformed = Self.performed.contains(advice) || !covers(range) || !cut.isEmpty
      return isPerformed ? .perform(range, cut: cut) : .nothing(range)
    }
  }

  /// MADV_POPULATE_* inserts page by page, up to the first that cannot be had: ENOMEM where nothing is mapped, EFAULT where a touch would be
  /// SIGBUS; both are found while inserting. EINVAL where the protection does not allow it is found here.
  ///
  /// Source: `madvise_populate`, mm/madvise.c; `faultin_page_range`, mm/gup.c (v6.1, v6.12, v7.3); devdax-populate-hole.scn.
  private func judgePopulate(
    _ range: Range<UInt64>, needs protection: Protection
  ) -> ChangePlan {
    let refused = indices(touching: range).first {
      !windows[$0].protection.contains(protection)
    }
    guard let refused else { return .populate(range, failure: nil) }
    let end = max(range.lowerBound, windows[refused].range.lowerBound)
    return .populate(range.lowerBound..<end, failure: .invalidArgument)
  }

  /// Keeps what `advice` says of the windows in `range`.
  ///
  /// - Returns: The entries of huge pages that are cut so.
  mutating func remember(_ advice: Int32, in range: Range<UInt64>) -> [ReleasedRun] {
    let changes = indices(touching: range).contains {
      windows[$0].advice.after(advice) != windows[$0].advice
    }
    guard changes else { return [] }
    return update(range) { $0.advice = $0.advice.after(advice) }
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
