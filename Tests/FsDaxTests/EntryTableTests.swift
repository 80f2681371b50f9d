import DaxModel
import PmemBase
import Testing

@Suite struct `the entry lock` {
  /// Catches a stampede at every unlock, or a waiter that nobody ever wakes.
  @Test func `FT-25: unlocking wakes one waiter and the chain goes on`() {
    var table = EntryTable()
    #expect(table.grab(5, .base, task: 0).0 == .locked(DaxEntry(.empty, .base)))
    for task in 1...9 as ClosedRange<UInt64> {
      #expect(table.grab(5, .base, task: task).0 == .waits)
    }
    for task in 1...9 as ClosedRange<UInt64> {
      #expect(table.unlock(5) == [task])
      #expect(table.grab(5, .base, task: task).0 == .locked(DaxEntry(.empty, .base)))
    }
    #expect(table.unlock(5) == [])
  }

  /// Catches waiters who sleep for an entry that is gone.
  @Test func `FT-25: removing the entry wakes all`() {
    var table = EntryTable()
    _ = table.grab(5, .base, task: 0)
    for task in 1...9 as ClosedRange<UInt64> { _ = table.grab(5, .base, task: task) }
    #expect(table.remove(5) == Array(1...9))
    #expect(table.isEmpty)
    #expect(table.pageCount == 0)
  }

  /// Catches a wake-up that ends with a task that does not take the entry.
  @Test func `a waiter that does not take the entry passes the wake-up on`() {
    var table = EntryTable()
    _ = table.grab(5, .base, task: 0)
    _ = table.grab(5, .base, task: 1)
    _ = table.grab(5, .base, task: 2)
    #expect(table.unlock(5) == [1])
    #expect(table.pass(5) == [2])
    #expect(table.pass(5) == [])
  }

  /// Catches a waiter that need not take the entry and swallows the only wake-up.
  @Test func `waiters without a claim are woken along with the next that has one`() {
    var table = EntryTable()
    _ = table.grab(5, .base, task: 0)
    _ = table.lock(5, for: .init(task: 1, isExclusive: false))
    _ = table.grab(5, .base, task: 2)
    _ = table.grab(5, .base, task: 3)
    #expect(table.unlock(5) == [1, 2])
    #expect(table.waiters(for: 5) == [.init(task: 3, isExclusive: true)])
  }

  /// Catches waiters of a page inside a huge entry who wait somewhere else than its owner looks.
  @Test func `every page of a huge entry has the same queue`() {
    var table = EntryTable()
    #expect(table.grab(700, .huge, task: 0).0 == .locked(DaxEntry(.empty, .huge)))
    #expect(table.grab(1000, .base, task: 1).0 == .waits)
    #expect(table.grab(513, .huge, task: 2).0 == .waits)
    #expect(table.unlock(700, storing: DaxEntry(.block(4096), .huge)) == [1])
    #expect(table.grab(1000, .base, task: 1).0 == .locked(DaxEntry(.block(4096), .huge)))
    #expect(table.pageCount == 512)
    #expect(table.heads(in: 0..<513) == [512])
    #expect(table.heads(in: 0..<512) == [])
  }
}
