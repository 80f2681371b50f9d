extension AddressSpace {
  /// Ends a change: the system call has returned.
  ///
  /// - Parameters:
  ///   - id: As in `begin`; one that is not under way changes nothing (plans that were not to be performed have none).
  ///   - succeeded: What the call did. Of a zap, ENOMEM counts as success: madvise() has zapped what is mapped and says
  ///     that not everything was (devdax-4k-api.scn).
  ///   - newAddress: Where a move has put it; of no meaning otherwise.
  ///   - newLength: Likewise; what `begin` was asked for is what counts.
  /// - Returns: The page-table entries that went away, whose references the caller gives back now. A move keeps its
  ///   entries, which travel with it; of mprotect and other advice only a huge page that is cut goes; a failed change releases nothing.
  public mutating func complete(
    id: UInt64, succeeded: Bool, newAddress: UInt64 = 0, newLength: UInt64 = 0
  ) -> [ReleasedRun] {
    guard let index = pending.firstIndex(where: { $0.id == id }) else { return [] }
    let change = pending.remove(at: index)
    guard succeeded else { return [] }
    switch change.change {
    case .unmap:
      return change.ranges.flatMap { remove($0) }
    case .zap:
      return change.ranges.flatMap { clearPresence(in: $0) }
    case .protect(let protection):
      return change.ranges.flatMap { update($0) { $0.protection = protection.known } }
    case .advise(let advice):
      return change.ranges.flatMap { remember(advice, in: $0) }
    case .move(let newLength, let target, let mayMove, let fixed):
      let move = try? Move(
        address: change.address, oldLength: change.length, newLength: newLength, target: target,
        mayMove: mayMove, fixed: fixed)
      return move.map { perform($0, to: newAddress) } ?? []
    case .sync:
      return []
    }
  }
}
