internal import LinuxSys
internal import Synchronization
internal import SystemPackage

/// A thread that does one thing whenever there is news; several news are one. What comes first is told at once, what comes within
/// `pause` after it is told together: a storm of news costs no more than a part of a processor.
final class Bulletin: Sendable {
  /// In milliseconds.
  static let pause: UInt32 = 20
  private let news = EventCount()
  private let ends = Atomic(false)
  private let thread = Mutex<WorkerThread?>(nil)

  func begin(_ body: @escaping @Sendable () -> Void) throws(Errno) {
    let begun = try WorkerThread(name: "softdax-news") { [self] in
      var seen: UInt64 = 0
      while true {
        news.wait(beyond: seen)
        if ends.load(ordering: .acquiring) { return }
        seen = news.current
        body()
        Pause.milliseconds(Self.pause)
      }
    }
    thread.withLock { $0 = begun }
  }

  func post() { news.advance() }

  func end() {
    ends.store(true, ordering: .releasing)
    news.advance()
    let begun = thread.withLock { $0.take() }
    begun?.join()
  }
}
