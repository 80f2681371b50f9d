internal import CSoftdax
internal import Glibc
internal import Synchronization
public import SystemPackage

/// A pthread that may block in system calls for as long as it likes: the cooperative pool has two threads on two cores, and a
/// third blocked task would never start.
public final class WorkerThread: Sendable {
  private let handle: pthread_t

  private final class Start {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Starts `body` on a thread of its own, with a stack of 512 KiB.
  ///
  /// - Parameter name: at most 15 bytes, for people who look at /proc.
  /// - Throws: `.resourceTemporarilyUnavailable` when the process may have no more threads.
  public init(name: String, _ body: @escaping @Sendable () -> Void) throws(Errno) {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setstacksize(&attributes, 512 << 10)
    var handle = pthread_t()
    let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    let error = unsafe pthread_create(
      &handle, &attributes,
      { argument in
        let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
        unsafe sd_name_thread(start.name)
        sd_accept_interruptions()
        start.body()
        return nil
      }, start.toOpaque())
    guard error == 0 else {
      unsafe start.release()
      throw Errno(rawValue: error)
    }
    self.handle = handle
  }

  /// Waits for the thread's end; once, by one thread.
  public func join() { pthread_join(handle, nil) }

  /// Gives up waiting for it: its resources go when it ends. Instead of `join`.
  public func detach() { pthread_detach(handle) }

  /// Makes a blocking system call of the thread return `Errno.interrupted`.
  ///
  /// A call not yet begun is not interrupted: repeat until the thread says that it has seen the request.
  public func interrupt() { _ = sd_interrupt_thread(handle) }
}
