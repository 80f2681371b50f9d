internal import CSoftdax
public import SystemPackage

/// One end of an AF_UNIX SOCK_SEQPACKET connection: whole messages, at most one descriptor with each.
///
/// Owns the descriptor. Sending and receiving block; `shutdown` from another thread ends both.
public struct Connection: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor

  public init(adopting descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

  /// - Parameter patience: seconds after which a peer that does not answer is given up; 0 waits for ever.
  /// - Throws: `.connectionRefused`, `.noSuchFileOrDirectory`: no server there; `.timedOut`.
  public init(to path: String, patience: Int32 = 0) throws(Errno) {
    let result = unsafe sd_socket_connect(path, patience)
    descriptor = OwnedDescriptor(
      adopting: try checked(
        result == -Errno.wouldBlock.rawValue ? -Errno.timedOut.rawValue : result))
  }

  /// The process at the other end, as the kernel knows it. Source: SO_PEERCRED in `unix(7)`.
  public borrowing func peer() throws(Errno) -> (process: Int32, user: UInt32) {
    var peer = sd_peer()
    try checked(
      unsafe withUnsafeMutablePointer(to: &peer) { unsafe sd_socket_peer(descriptor.raw, $0) })
    return (peer.pid, peer.uid)
  }

  /// Sends `bytes` as one message, with a copy of `passing`.
  ///
  /// - Throws: `.brokenPipe`, `.connectionReset`: the other end is gone.
  public borrowing func send(_ bytes: [UInt8], passing: borrowing OwnedDescriptor) throws(Errno) {
    try send(bytes, raw: passing.raw)
  }

  public borrowing func send(_ bytes: [UInt8]) throws(Errno) { try send(bytes, raw: -1) }

  private borrowing func send(_ bytes: [UInt8], raw: CInt) throws(Errno) {
    try checked(
      unsafe bytes.withUnsafeBytes {
        unsafe sd_socket_send(descriptor.raw, $0.baseAddress, $0.count, raw)
      })
  }

  /// Waits for one message; `passed` owns the descriptor that came with it, if one did.
  ///
  /// - Returns: its length in bytes; 0 when the other end has closed.
  /// - Throws: `.messageTooLong` when it does not fit `buffer`.
  public borrowing func receive(into buffer: inout [UInt8], passed: inout OwnedDescriptor?)
    throws(Errno) -> Int
  {
    var raw: CInt = -1
    let result = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe withUnsafeMutablePointer(to: &raw) {
        unsafe sd_socket_receive(descriptor.raw, bytes.baseAddress, bytes.count, $0)
      }
    }
    passed = raw >= 0 ? OwnedDescriptor(adopting: raw) : nil
    return Int(try checked(result))
  }

  /// Waits until the other end has closed, or this one was shut down. Messages stay unread.
  public borrowing func waitForHangup() throws(Errno) {
    try checked(sd_socket_wait_hangup(descriptor.raw))
  }

  /// Ends the conversation both ways: blocked senders and receivers of either end return.
  public borrowing func shutdown() { _ = sd_socket_shutdown(descriptor.raw) }
}

/// A listening AF_UNIX SOCK_SEQPACKET socket, mode 0600.
public struct Listener: ~Copyable, Sendable {
  private let descriptor: OwnedDescriptor

  /// - Throws: `.addressInUse`: something is at `path`; `.fileNameTooLong`: over 107 bytes.
  public init(at path: String, backlog: Int32 = 128) throws(Errno) {
    descriptor = OwnedDescriptor(adopting: try checked(unsafe sd_socket_listen(path, backlog)))
  }

  /// Waits for a peer. - Throws: `.invalidArgument` after `shutdown`.
  public borrowing func accept() throws(Errno) -> Connection {
    Connection(
      adopting: OwnedDescriptor(adopting: try checked(sd_socket_accept(descriptor.raw))))
  }

  public borrowing func shutdown() { _ = sd_socket_shutdown(descriptor.raw) }
}
