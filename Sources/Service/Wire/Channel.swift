internal import CWire
public import LinuxSys
internal import SystemPackage

/// A connection that speaks the wire: requests one way, replies the other.
///
/// One thread receives at a time; any thread may `shutdown`.
public struct Channel: ~Copyable, Sendable {
  private let connection: Connection

  public init(_ connection: consuming Connection) { self.connection = connection }

  /// - Throws: `.disconnected` when no server listens at `path`.
  init(to path: String, patience: Int32) throws(WireError) {
    do throws(Errno) {
      connection = try Connection(to: path, patience: patience)
    } catch {
      throw .disconnected(error.rawValue)
    }
  }

  /// The process at the other end; 0 if it is in another pid namespace.
  public borrowing func peerProcess() -> Int32 { (try? connection.peer().process) ?? 0 }

  // MARK: The server's end

  /// Waits for a request; `nil` when the other end has closed.
  public borrowing func receive(passed: inout OwnedDescriptor?) throws(WireError) -> Request? {
    guard let bytes = try receiveBytes(passed: &passed) else { return nil }
    return try Request(decoding: bytes)
  }

  public borrowing func send(_ reply: Reply) throws(WireError) {
    do throws(Errno) {
      try connection.send(reply.encoded)
    } catch {
      throw .disconnected(error.rawValue)
    }
  }

  public borrowing func send(_ reply: Reply, passing descriptor: borrowing OwnedDescriptor)
    throws(WireError)
  {
    do throws(Errno) {
      try connection.send(reply.encoded, passing: descriptor)
    } catch {
      throw .disconnected(error.rawValue)
    }
  }

  // MARK: The tools' end

  /// Asks and waits for the answer. - Throws: `.refused` when the answer is an errno.
  borrowing func ask(_ request: Request) throws(WireError) -> Reply {
    try send(request)
    guard let reply = try receiveReply() else { throw .disconnected(0) }
    if case .done(let error) = reply, error != 0 { throw .refused(-error) }
    return reply
  }

  borrowing func send(_ request: Request) throws(WireError) {
    let bytes = try request.encoded
    do throws(Errno) {
      try connection.send(bytes)
    } catch {
      throw .disconnected(error.rawValue)
    }
  }

  /// Nil at the end of the connection.
  borrowing func receiveReply() throws(WireError) -> Reply? {
    var none: OwnedDescriptor?
    guard let bytes = try receiveBytes(passed: &none) else { return nil }
    return try Reply(decoding: bytes)
  }

  // MARK: Both

  /// Waits until the other end has closed, or `shutdown`; messages stay unread.
  public borrowing func waitForHangup() { try? connection.waitForHangup() }

  public borrowing func shutdown() { connection.shutdown() }

  private borrowing func receiveBytes(passed: inout OwnedDescriptor?) throws(WireError)
    -> ArraySlice<UInt8>?
  {
    var buffer = [UInt8](repeating: 0, count: Int(SD_MAX_MESSAGE))
    do throws(Errno) {
      let count = try connection.receive(into: &buffer, passed: &passed)
      return count == 0 ? nil : buffer[..<count]
    } catch .messageTooLong {
      throw .malformed(type: 0, bytes: buffer.count + 1)
    } catch .wouldBlock {
      throw .disconnected(Errno.timedOut.rawValue)
    } catch {
      throw .disconnected(error.rawValue)
    }
  }
}
