internal import CWire
internal import LinuxSys
internal import SystemPackage
internal import TestSupport
internal import Testing

@testable internal import Wire

/// Whatever arrives, decoding gives a message or an error: the server has other workloads to serve.
@Suite struct `Hostile bytes` {
  private static let messages = Example.requests.map(\.bytes) + Example.replies.map(\.encoded)

  /// Decodes both ways. - Returns: whether either accepted it.
  @discardableResult private func decode(_ bytes: [UInt8]) -> Bool {
    // As a slice that does not begin at 0, as a part of a longer buffer would.
    let slice = ([0xff, 0xff, 0xff] + bytes + [0xff]).dropFirst(3).dropLast()
    let request = try? Request(decoding: slice)
    let reply = try? Reply(decoding: slice)
    return request != nil || reply != nil
  }

  /// Catches a decoder that reads past a datagram's end, or that takes half a message for one.
  @Test func `a message that is cut anywhere is refused`() {
    for message in Self.messages {
      #expect(decode(message))
      for length in 0..<min(message.count, 600) {
        #expect(!decode(Array(message[..<length])), "type \(message[6]) cut to \(length)")
      }
    }
  }

  /// Catches lists whose count is believed more than their length.
  @Test func `a message with bytes after it is refused`() {
    for message in Self.messages {
      for more in [1, 7, 8, 16, 40] {
        #expect(!decode(message + Array(repeating: 0, count: more)), "type \(message[6])")
      }
    }
  }

  /// Catches a trap, and messages of another protocol or version taken for ours.
  @Test func `one flipped bit is another message or an error`() {
    for message in Self.messages {
      for bit in 0..<(min(message.count, 400) * 8) {
        var flipped = message
        flipped[bit / 8] ^= 1 << (bit % 8)
        let accepted = decode(flipped)
        if bit < 48 { #expect(!accepted, "magic or version, bit \(bit)") }
      }
    }
  }

  /// Catches a trap on what no program sends.
  @Test func `random bytes are refused or decoded`() {
    var random = Sequence64(seed: 42)
    let types = Self.messages.map { $0[6] }
    for _ in 0..<20_000 {
      let length = Int(random.next() % 1200)
      var bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      if random.next() % 4 != 0 {
        // With a true header, and sometimes of the length that the type asks for.
        let model = Self.messages[Int(random.next() % UInt64(types.count))]
        if random.next() % 2 == 0 {
          bytes = model.map { _ in UInt8(truncatingIfNeeded: random.next()) }
        }
        bytes.replaceSubrange(..<min(8, bytes.count), with: model[..<min(8, bytes.count)])
      }
      decode(bytes)
    }
  }

  /// Catches counts that overflow a product, or ask for gigabytes.
  @Test func `a count that does not fit its message is refused`() {
    for count in [1, 513, 1025, 1 << 28, .max] as [UInt32] {
      let heads = [
        Codec.bytes(
          of: sd_pages(header: Codec.header(SD_PAGES), count: count, reserved: 0, next: 0)),
        Codec.bytes(
          of: sd_latency_reply(
            header: Codec.header(SD_LATENCY), count: count, next: 0, maximum: 0, minimum: 0)),
      ]
      for head in heads { #expect(!decode(head)) }
    }
    for count in [4097, 8193, .max] as [UInt32] {
      let write = sd_write_attribute(
        header: Codec.header(SD_WRITE_ATTRIBUTE), node_dev: 0, node_ino: 0, length: count,
        reserved: 0)
      let control = sd_control(
        header: Codec.header(SD_CONTROL), request: 0, access: 0, length: count)
      let room = Array(repeating: UInt8(0), count: Int(min(count, 9000)))
      #expect(!decode(Codec.bytes(of: write) + room))
      if count > 8192 { #expect(!decode(Codec.bytes(of: control) + room)) }
    }
    let many = Codec.bytes(
      of: sd_latency_reply(
        header: Codec.header(SD_LATENCY), count: 513, next: 0, maximum: 0, minimum: 0))
    #expect(!decode(many + Array(repeating: 0, count: 513 * 16)))
  }

  /// Catches a message taken for another one because the type was not looked at.
  @Test func `unknown types and operations are refused by name`() {
    #expect(throws: WireError.unexpected(type: 999)) {
      try Request(
        decoding: Codec.bytes(
          of: sd_header(magic: SD_WIRE_MAGIC, version: UInt16(SD_WIRE_VERSION), type: 999))[...])
    }
    #expect(throws: WireError.unexpected(type: UInt16(SD_SERVER.rawValue))) {
      try Request(decoding: Codec.bytes(of: Codec.header(SD_SERVER))[...])
    }
    #expect(throws: WireError.unexpected(type: UInt16(SD_ATTACH.rawValue))) {
      try Reply(decoding: Codec.bytes(of: Codec.header(SD_ATTACH))[...])
    }
    var change = sd_change()
    change.header = Codec.header(SD_CHANGE)
    change.operation = 7
    #expect(throws: WireError.malformed(type: UInt16(SD_CHANGE.rawValue), bytes: 64)) {
      try Request(decoding: Codec.bytes(of: change)[...])
    }
    #expect(throws: WireError.malformed(type: 0, bytes: 8)) {
      try Request(
        decoding: Codec.bytes(
          of: sd_header(
            magic: SD_WIRE_MAGIC, version: UInt16(SD_WIRE_VERSION) + 1,
            type: UInt16(SD_GET_SERVER.rawValue)))[...])
    }
  }

  /// Catches text without an end, or that is no text, or that paints people's terminals.
  @Test func `a name without NUL, or of any bytes, is a name`() throws {
    var attach = sd_attach()
    attach.header = Codec.header(SD_ATTACH)
    Codec.put(String(repeating: "x", count: 31), into: &attach.command)
    var bytes = Codec.bytes(of: attach)
    bytes[47] = 0xff
    guard case .attach(let decoded) = try Request(decoding: bytes[...]) else {
      Issue.record("no attach")
      return
    }
    #expect(decoded.command == String(repeating: "x", count: 31) + "\u{fffd}")
    bytes.replaceSubrange(16..<21, with: [0x1b, 0x5b, 0x33, 0x0a, 0x7f])
    guard case .attach(let painted) = try Request(decoding: bytes[...]) else {
      Issue.record("no attach")
      return
    }
    #expect(painted.command.hasPrefix("?[3??xxx"))
  }

  // MARK: On a socket

  /// Catches a datagram that is longer than any message, taken for its beginning; and a lost descriptor.
  @Test(.timeLimit(.minutes(20)))
  func `a channel passes messages whole, with their descriptor`() throws {
    let folder = try Scratch()
    let listener = try Listener(at: folder.path + "/socket")
    let client = try Connection(to: folder.path + "/socket")
    let server = Channel(try listener.accept())
    #expect(server.peerProcess() == ThisProcess.identifier)

    var passed: OwnedDescriptor?
    let memory = try OwnedDescriptor.memfd(name: "test", size: 4096)
    try client.send(Example.requests[0].bytes, passing: memory)
    let attach = try server.receive(passed: &passed)
    #expect(attach.map { "\($0)" } == Example.requests[0].meaning)
    let inode = try memory.facts().inode
    if let received = passed.take() {
      #expect(try received.facts().inode == inode)
    } else {
      Issue.record("no descriptor came")
    }

    try client.send(Array(repeating: 1, count: Int(SD_MAX_MESSAGE) + 1))
    #expect(throws: WireError.malformed(type: 0, bytes: Int(SD_MAX_MESSAGE) + 1)) {
      _ = try server.receive(passed: &passed)
    }
    try client.send([1, 2, 3])
    #expect(throws: WireError.malformed(type: 0, bytes: 3)) {
      _ = try server.receive(passed: &passed)
    }
    client.shutdown()
    #expect(try server.receive(passed: &passed) == nil)
  }

  /// Catches a tool that hangs because one server of several does.
  @Test(.timeLimit(.minutes(20)))
  func `a server that does not answer is given up`() throws {
    let folder = try Scratch()
    let listener = try Listener(at: folder.path + "/socket")
    let client = try ServerClient(socket: folder.path + "/socket", patience: 1)
    #expect(throws: WireError.disconnected(Errno.timedOut.rawValue)) { try client.server() }
    listener.shutdown()
  }

  /// Catches a tool that waits for a server that is not there, or takes an errno for an answer.
  @Test(.timeLimit(.minutes(20)))
  func `a client says why it has no answer`() throws {
    let folder = try Scratch()
    let path = folder.path + "/socket"
    #expect(throws: WireError.disconnected(Errno.noSuchFileOrDirectory.rawValue)) {
      try ServerClient(socket: path)
    }
    func ask(_ answer: [UInt8]?) throws -> WireError? {
      Folder.removeFile(path)
      let server = try OneAnswer(at: path, answer)
      let client = try ServerClient(socket: path)
      defer { server.thread.join() }
      do throws(WireError) {
        _ = try client.server()
        return nil
      } catch {
        return error
      }
    }
    #expect(try ask(Reply.done(error: -19).encoded) == .refused(19))
    #expect(try ask(Reply.done(error: .min).encoded) == .malformed(type: 1, bytes: 16))
    #expect(try ask(Reply.done(error: 1).encoded) == .malformed(type: 1, bytes: 16))
    #expect(try ask([1, 2, 3]) == .malformed(type: 0, bytes: 3))
    #expect(try ask(Reply.pages([], next: 0).encoded) == .unexpected(type: 0))
    #expect(try ask(nil) == .disconnected(0))
    #expect(try ask(Example.replies[2].encoded) == nil)
  }
}

/// A server that gives one answer, or hangs up.
private struct OneAnswer {
  let thread: TestThread

  init(at path: String, _ answer: [UInt8]?) throws {
    let listener = Holder(try Listener(at: path))
    thread = try TestThread {
      guard let connection = try? listener.listener.accept() else { return }
      var passed: OwnedDescriptor?
      var buffer = [UInt8](repeating: 0, count: 100)
      _ = try? connection.receive(into: &buffer, passed: &passed)
      if let answer { try? connection.send(answer) }
    }
  }

  private final class Holder: Sendable {
    let listener: Listener
    init(_ listener: consuming Listener) { self.listener = listener }
  }
}

/// Numbers that look random and are the same in every run. Source: SplitMix64.
private struct Sequence64 {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
