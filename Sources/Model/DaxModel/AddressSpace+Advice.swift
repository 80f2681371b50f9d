internal import PmemBase
internal import SystemPackage

extension AddressSpace {
  /// Judges madvise() other than MADV_DONTNEED.
  ///
  /// - hints for the page cache or the LRU (WILLNEED, COLD, PAGEOUT, MERGEABLE): DAX pages are in neither; nothing.
  /// - SEQUENTIAL, RANDOM, NORMAL, HUGEPAGE, NOHUGEPAGE: flags of the mapping, kept here; nothing to do outside.
  /// - DONTFORK, DONTDUMP and their opposites: the real mapping must have them; perform.
  /// - POPULATE_*: see `checkPopulate`.
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
      try checkPopulate(range, needs: advice == Advice.populateWrite ? .write : .read)
      return .populate(range)
    default:
      for index in touched where windows[index].advice.after(advice) != windows[index].advice {
        try checkSplit(windows[index], at: range)
      }
      return Self.performed.contains(advice) || !covers(range) ? .perform(range) : .nothing(range)
    }
  }

  /// MADV_POPULATE_*, page by page: ENOMEM where nothing is mapped (devdax-4k-api.scn), EINVAL where the protection
  /// does not allow it, EFAULT where a touch would be SIGBUS.
  ///
  /// The kernel inserts what comes before the failure; here nothing is inserted then. Memory that is no device's
  /// counts as a hole: what is mapped there is not known here.
  ///
  /// Source: `madvise_populate`, mm/madvise.c; `faultin_page_range`, mm/gup.c (v6.1, v6.12, v7.3).
  private func checkPopulate(
    _ range: Range<UInt64>, needs protection: Protection
  ) throws(Errno) {
    var next = range.lowerBound
    for index in indices(touching: range) {
      let window = windows[index]
      guard window.range.lowerBound <= next else { throw .noMemory }
      guard window.protection.contains(protection) else { throw .invalidArgument }
      let end = min(range.upperBound, window.range.upperBound)
      guard window.isMappable, window.isBacked(upTo: end) else { throw .badAddress }
      next = end
    }
    guard next == range.upperBound else { throw .noMemory }
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
