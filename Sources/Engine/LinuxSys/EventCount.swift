internal import Glibc

/// Something that happens now and then, and threads that wait for the next time.
///
/// Look at ``current``, then at the state; if that is not as wanted, ``wait(beyond:)``: nothing that happens in between is missed.
@safe public final class EventCount: @unchecked Sendable {
  // Safe and Sendable: the count is touched under the mutex only; both objects stay where they are until deinit.
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var count: UInt64 = 0

  public init() {
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(condition, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  /// How often it has happened.
  public var current: UInt64 {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return count
  }

  /// It has happened: wakes everyone who waits.
  public func advance() {
    unsafe pthread_mutex_lock(mutex)
    count += 1
    unsafe pthread_mutex_unlock(mutex)
    unsafe pthread_cond_broadcast(condition)
  }

  /// Blocks until it has happened more than `seen` times.
  public func wait(beyond seen: UInt64) {
    unsafe pthread_mutex_lock(mutex)
    while count <= seen { unsafe pthread_cond_wait(condition, mutex) }
    unsafe pthread_mutex_unlock(mutex)
  }
}
