internal import Foundation
internal import Synchronization

/// Threads that begin at the same moment, for what only real contention shows.
///
/// Tasks will not do: on two processors a short task has often ended before the next one begins.
public enum Crowd {
  /// Runs `body` in each of `threads` threads; returns when all have ended.
  public static func run(threads: Int, _ body: @escaping @Sendable (Int) -> Void) async {
    let meeting = Meeting()
    for number in 0..<threads {
      let thread = Thread {
        meeting.arrived.add(1, ordering: .sequentiallyConsistent)
        // Spinning is the point: whoever sleeps here begins late.
        while meeting.arrived.load(ordering: .sequentiallyConsistent) < threads {}
        body(number)
        meeting.left.add(1, ordering: .sequentiallyConsistent)
      }
      thread.start()
    }
    while meeting.left.load(ordering: .sequentiallyConsistent) < threads {
      try? await Task.sleep(for: .milliseconds(1))
    }
  }

  private final class Meeting: Sendable {
    let arrived = Atomic(0)
    let left = Atomic(0)
  }
}
