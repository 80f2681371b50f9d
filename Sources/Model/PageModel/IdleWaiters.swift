/// Tasks that sleep until a folio is idle: `wait_var_event` on the page.
///
/// A sleeper is woken by the very put that reaches what the regime waits for, and looks again then: woken is not
/// idle. A value without a lock; nothing in it sleeps.
public struct IdleWaiters: Sendable {
  private var tasks: [Int: [UInt64]] = [:]

  public init() {}

  /// Puts a task to sleep; one that sleeps for the folio already sleeps once.
  public mutating func sleep(_ task: UInt64, folio: Int) {
    if tasks[folio]?.contains(task) != true { tasks[folio, default: []].append(task) }
  }

  /// Ends every sleep for the folio.
  ///
  /// - Returns: The tasks, in the order in which they fell asleep.
  public mutating func wake(folio: Int) -> [UInt64] { tasks.removeValue(forKey: folio) ?? [] }

  /// A signal ends the task's sleep; whether one is let through, the answer said.
  ///
  /// - Returns: Whether it slept.
  public mutating func interrupt(_ task: UInt64) -> Bool {
    for (folio, sleepers) in tasks where sleepers.contains(task) {
      tasks[folio] = sleepers.count == 1 ? nil : sleepers.filter { $0 != task }
      return true
    }
    return false
  }

  /// Who sleeps for the folio.
  public subscript(folio: Int) -> [UInt64] { tasks[folio] ?? [] }

  public var isEmpty: Bool { tasks.isEmpty }
}
