/// Makes a failing sequence of operations as short and as simple as it can be while it still fails.
///
/// Delta debugging (Zeller and Hildebrandt's ddmin), then each operation by itself, until nothing
/// helps any more. An operation must mean something wherever it stands: what it names (a window, a
/// change under way) is looked up when it runs, so that the ones before it can be dropped.
public struct Shrinker<Operation> {
  private let simpler: (Operation) -> [Operation]
  private let fails: ([Operation]) -> Bool
  private let budget: Duration

  /// - Parameters:
  ///   - simpler: Operations that may stand for one, the simplest first; none may lead back to it.
  ///   - fails: Whether the sequence, run from the beginning, fails.
  ///   - budget: When to be content with the smallest found so far.
  public init(
    simpler: @escaping (Operation) -> [Operation], fails: @escaping ([Operation]) -> Bool,
    budget: Duration = .seconds(10)
  ) {
    self.simpler = simpler
    self.fails = fails
    self.budget = budget
  }

  /// The smallest sequence found; `operations` itself if it does not fail.
  public func shrink(_ operations: [Operation]) -> [Operation] {
    guard fails(operations) else { return operations }
    let end = ContinuousClock.now + budget
    let fails = { ContinuousClock.now < end && self.fails($0) }
    var best = operations
    var improved = true
    while improved {
      improved = false
      if let shorter = dropped(best, fails) {
        best = shorter
        improved = true
      }
      if let easier = simplified(best, fails) {
        best = easier
        improved = true
      }
    }
    return best
  }

  /// Without every chunk that is not needed, from halves down to single operations; nil if all are.
  private func dropped(
    _ operations: [Operation], _ fails: ([Operation]) -> Bool
  ) -> [Operation]? {
    var best = operations
    var size = max(1, best.count / 2)
    while true {
      // From the end: what happens after the failure is never needed.
      var end = best.count
      while end > 0 {
        let start = max(0, end - size)
        let candidate = Array(best[..<start] + best[end...])
        if candidate.count < best.count, fails(candidate) { best = candidate }
        end = start
      }
      if size == 1 { break }
      size /= 2
    }
    return best.count < operations.count ? best : nil
  }

  /// With every operation as simple as it goes, one at a time; nil if none can be simpler.
  private func simplified(
    _ operations: [Operation], _ fails: ([Operation]) -> Bool
  ) -> [Operation]? {
    var best = operations
    var improved = false
    for index in best.indices {
      var again = true
      while again {
        again = false
        for candidate in simpler(best[index]) {
          var sequence = best
          sequence[index] = candidate
          guard fails(sequence) else { continue }
          best = sequence
          again = true
          improved = true
          break
        }
      }
    }
    return improved ? best : nil
  }
}
