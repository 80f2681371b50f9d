internal import DaxModel
internal import Glibc
internal import Latency
internal import LinuxSys
internal import Medium
internal import PmemBase
internal import Synchronization
public import SystemPackage

/// Insertion ahead of the touch: MAP_POPULATE, MADV_POPULATE, `--populate`.
extension Workload {
  /// Inserts every page of the range that is not there yet, in runs of at most 2 MiB (or one folio); returns when all are in.
  ///
  /// Cost: 0.28 µs for each 4 KiB page that the medium holds. Source: `populate_vma_page_range` (mm/gup.c).
  ///
  /// - Throws: `.invalidArgument` for a range that is not one of an address space; `.badAddress` where a touch would be SIGBUS, after all
  ///   else has been inserted. A page that the medium cannot give is none of those: a fault does not read it.
  public func populate(
    address: UInt64, length: UInt64, isWrite: Bool? = nil
  ) throws(Errno) {
    let range = try AddressSpace.pages(address, length)
    populateFiles(range, isWrite: isWrite)
    var at = range.lowerBound
    var isComplete = true
    while at < range.upperBound && !stopping.load(ordering: .relaxed) {
      let seen = changeEnded.current
      let from = at
      let step =
        usesAgent.load(ordering: .sequentiallyConsistent)
        ? agentTurn.withLock { _ in populateRun(from: from, to: range.upperBound) }
        : populateRun(from: from, to: range.upperBound)
      switch step {
      case .inserted(let next): at = next
      case .failed(let next):
        isComplete = false
        at = next
      case .kernelBusy: usleep(20)
      case .changing: changeEnded.wait(beyond: seen)
      }
    }
    if !isComplete { throw .badAddress }
  }

  private enum PopulateStep {
    /// All up to here.
    case inserted(UInt64)
    /// Something could not be; go on here.
    case failed(UInt64)
    /// An mremap is under way: again when its event has been read.
    case kernelBusy
    /// The range is under change.
    case changing
  }

  private func populateRun(from at: UInt64, to end: UInt64) -> PopulateStep {
    let begun = Clock.now()
    var work: AgentWork?
    let step: PopulateStep = state.withLock { state in
      guard !state.ended else { return .inserted(end) }
      let limit = max(1, 512 >> (state.space.window(at: at)?.alignment.order ?? 0))
      let run = state.space.populate(from: at, upTo: end, limit: limit)
      switch run.decision {
      case .install(let index, let folios, let start, let length)?:
        let device = devices[index]
        device.take(folios)
        guard device.medium.insertion == .continued else {
          work = AgentWork(decision: run.decision!, counted: Clock.now())
          return .inserted(run.next)
        }
        let isQuiet = device.poison.isEmpty
        let installation =
          isQuiet
          ? install(device, folios, start, length, isMissing: false)
          : installAroundPoison(device, folios, start, length)
        switch installation {
        case .installed:
          device.noteInserted(folios.count)
          if !isQuiet { tellInserted(index, folios, at: start) }
          return .inserted(run.next)
        case .again:
          state.space.retract(device: index, address: start, length: length)
          device.putBack(folios)
          return .kernelBusy
        case .failed:
          // As the kernel's populate: who touches the page finds out why.
          state.space.retract(device: index, address: start, length: length)
          device.putBack(folios)
          return .failed(run.next)
        }
      case .wait: return .changing
      case .unmapped: return .inserted(run.next)
      case .beyondDevice: return .failed(run.next)
      case .present, nil: return .inserted(end)
      }
    }
    if let work, !perform(work, since: begun), case .inserted(let next) = step {
      return .failed(next)
    }
    return step
  }
}
