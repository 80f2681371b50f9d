internal import CSoftdax
internal import Glibc
public import SystemPackage

/// A program started by this process, to be waited for once.
public struct ChildProcess: Sendable {
  public let identifier: Int32

  /// How it ended.
  public struct Ending: Sendable, Equatable {
    /// Exit status, or 128 + signal number, as shells report it.
    public let status: Int32
    public let bySignal: Bool
  }

  /// Starts the program at the absolute path `path`; descriptors without close-on-exec are inherited.
  ///
  /// - Parameter mask: the signal mask that it begins with.
  /// - Throws: `.noSuchFileOrDirectory`, `.permissionDenied`, `.notAnExecutable` and kin, as `execve(2)`.
  public init(
    path: String, arguments: [String], environment: [String], mask: SignalMask
  ) throws(Errno) {
    let result = unsafe withCStrings(arguments) { arguments in
      unsafe withCStrings(environment) { environment in
        unsafe withUnsafePointer(to: mask.raw) {
          unsafe sd_spawn(path, arguments, environment, $0)
        }
      }
    }
    identifier = try checked(result)
  }

  /// Passes a signal on.
  public func send(_ signal: SignalQueue.Signal) { send(number: signal.number) }

  public func send(number: Int32) { kill(identifier, number) }

  /// Its ending if it has ended, else `nil`; waits for it if `block`.
  public func reap(block: Bool) throws(Errno) -> Ending? {
    var status: CInt = 0
    var signalled: CInt = 0
    let result = unsafe withUnsafeMutablePointer(to: &status) { status in
      unsafe withUnsafeMutablePointer(to: &signalled) {
        unsafe sd_reap(identifier, block ? 1 : 0, status, $0)
      }
    }
    return try checked(result) == 0 ? nil : Ending(status: status, bySignal: signalled != 0)
  }
}

/// A NULL-terminated array of C strings for the time of `body`.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
  let copies = unsafe strings.map { string in
    let bytes = Array(string.utf8CString)
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    unsafe copy.initialize(from: bytes, count: bytes.count)
    return unsafe copy
  }
  defer {
    for index in strings.indices { unsafe copies[index].deallocate() }
  }
  var array: [UnsafeMutablePointer<CChar>?] = unsafe copies
  unsafe array.append(nil)
  return unsafe array.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
}
