/// Who is signalled about one page of one file, and what is unmapped: `collect_procs` and `unmap_and_kill`.
public struct KillPlan: Equatable, Sendable {
  /// What was decided about one process, and why.
  public enum Verdict: Equatable, Sendable {
    /// No page-table entry for the page: not collected, whatever it asked for (`__add_to_kill`, size_shift 0).
    case notPresent(process: Int)
    /// Maps it, but is not current and asked for nothing early (`task_early_kill`).
    case notEarly(process: Int)
    /// Its main thread has ended, so it is passed over, even if it is the one that consumed (inferred, MF-18).
    case leaderGone(process: Int)
    /// Gets a signal for each of its mappings of the page.
    case signalled(process: Int, thread: Int, code: SignalOrder.Code)
  }

  /// One for each candidate, in its order.
  public let verdicts: [Verdict]
  /// In the order in which they are sent.
  public let orders: [SignalOrder]

  /// log2 of the bytes that are unmapped from every process around the page; nil when nobody was collected, for then
  /// nothing is unmapped.
  ///
  /// Source: `unmap_and_kill`, mm/memory-failure.c (v6.1, v6.12, v7.3); MF-10, MF-11.
  public let unmapShift: UInt64?

  /// Decides.
  ///
  /// - Parameters:
  ///   - candidates: Every process, in the order of creation (`for_each_process`).
  ///   - everyone: The device is being removed (MF_MEM_PRE_REMOVE): no policy is asked, the leader is the target.
  ///
  /// Source: `collect_procs_file`, `collect_procs_fsdax`, `task_early_kill`, `find_early_kill_thread`, `kill_proc`,
  /// mm/memory-failure.c (v6.1, v6.12, v7.3).
  public init(
    candidates: [Candidate], origin: FailureOrigin, sysctlEarlyKill: Bool, everyone: Bool = false
  ) {
    var verdicts: [Verdict] = []
    var orders: [SignalOrder] = []
    var unmapShift: UInt64?
    for candidate in candidates {
      guard !candidate.places.isEmpty else {
        verdicts.append(.notPresent(process: candidate.process))
        continue
      }
      guard !candidate.leaderIsGone else {
        verdicts.append(.leaderGone(process: candidate.process))
        continue
      }
      let target: Int
      let code: SignalOrder.Code
      if let current = origin.current, current.process == candidate.process {
        target = current.thread
        code = .actionRequired
      } else if everyone, let leader = candidate.threads.first {
        target = leader.id
        code = .actionOptional
      } else if let early = candidate.threads.first(where: {
        $0.policy.wantsEarlyKill(sysctl: sysctlEarlyKill)
      }) {
        target = early.id
        code = .actionOptional
      } else {
        verdicts.append(.notEarly(process: candidate.process))
        continue
      }
      verdicts.append(.signalled(process: candidate.process, thread: target, code: code))
      for place in candidate.places {
        unmapShift = max(unmapShift ?? 0, place.shift)
        orders.append(
          SignalOrder(
            process: candidate.process, thread: target, code: code, address: place.address,
            shift: place.shift))
      }
    }
    self.verdicts = verdicts
    self.orders = orders
    self.unmapShift = unmapShift
  }

  /// What several pages' plans come to together, one after the other.
  public init(merging plans: [KillPlan]) {
    verdicts = plans.flatMap(\.verdicts)
    orders = plans.flatMap(\.orders)
    unmapShift = plans.compactMap(\.unmapShift).max()
  }
}
