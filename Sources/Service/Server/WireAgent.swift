internal import DaxModel
internal import FaultEngine
internal import FuseMount
internal import LinuxSys
internal import Medium
internal import Synchronization
internal import SystemPackage
internal import Wire

/// The agent thread of one workload, at the other end of its connection.
///
/// One command at a time, from whichever thread holds the workload's agent turn; the answer is waited for.
final class WireAgent: Agent {
  private let conversation: Conversation
  /// The devices', then the mounts'.
  private let media: [any Medium]
  /// Devices whose descriptor the agent has.
  private let introduced = Mutex<Set<Int>>([])

  init(_ conversation: Conversation, media: [any Medium]) {
    self.conversation = conversation
    self.media = media
  }

  func insert(
    device: Int, address: UInt64, length: UInt64, offset: UInt64, protection: Protection
  ) throws(Errno) {
    try introduced.withLock { known throws(Errno) in
      try introduce(device, &known)
      try command(
        .insert(
          Reply.Insert(
            address: address, length: length, offset: offset, device: device,
            protection: protection.rawValue, content: .medium)))
    }
  }

  /// The agent gets the medium's descriptor before it needs it.
  private func introduce(_ device: Int, _ known: inout Set<Int>) throws(Errno) {
    guard !known.contains(device) else { return }
    try media[device].withDescriptor { descriptor throws(Errno) in
      do throws(WireError) {
        try conversation.channel.send(.deviceDescriptor(device: device), passing: descriptor)
      } catch { throw .brokenPipe }
    }
    known.insert(device)
  }

  func place(
    _ piece: WindowPiece, device: Int, at addresses: Range<UInt64>, protection: Protection
  ) throws(Errno) {
    try introduced.withLock { known throws(Errno) in
      try introduce(device, &known)
      var offset: UInt64 = 0
      let kind: Reply.Place.Piece
      switch piece {
      case .nothing: kind = .nothingMapped
      case .medium(let first, let isShared):
        offset = first
        kind = isShared ? .shared : .isPrivate
      case .beyond: kind = .beyond
      }
      try command(
        .place(
          Reply.Place(
            kind, address: addresses.lowerBound, length: UInt64(addresses.count),
            offset: offset, device: device, protection: protection.rawValue)))
    }
  }

  func zap(device: Int, _ addresses: Range<UInt64>) throws(Errno) {
    try introduced.withLock { _ throws(Errno) in
      try command(
        .place(
          Reply.Place(
            .zap, address: addresses.lowerBound, length: UInt64(addresses.count),
            device: device)))
    }
  }

  func withdraw(address: UInt64, length: UInt64, protection: Protection) throws(Errno) {
    try put(.nothing, address, length, protection)
  }

  func empty(address: UInt64, length: UInt64, protection: Protection) throws(Errno) {
    try put(.absent, address, length, protection)
  }

  private func put(
    _ content: Reply.Insert.Content, _ address: UInt64, _ length: UInt64, _ protection: Protection
  ) throws(Errno) {
    try introduced.withLock { _ throws(Errno) in
      try command(
        .insert(
          Reply.Insert(
            address: address, length: length, offset: 0, device: 0,
            protection: protection.rawValue, content: content)))
    }
  }

  private func command(_ command: Reply) throws(Errno) {
    do throws(WireError) {
      try conversation.channel.send(command)
      var none: OwnedDescriptor?
      guard case .done(let error)? = try conversation.channel.receive(passed: &none) else {
        conversation.channel.shutdown()
        throw WireError.disconnected(0)
      }
      if error != 0 { throw WireError.refused(-error) }
    } catch .refused(let error) {
      throw Errno(rawValue: error)
    } catch {
      throw .brokenPipe
    }
  }

  /// Answers the attach. - Throws: when the workload is gone already.
  func refuse(_ error: Errno) throws(WireError) {
    try conversation.channel.send(.attached(error: -error.rawValue, token: 0, nonce: 0))
  }

  /// The same, with the memory in which the workload notes what its handlers were called with.
  func welcome(
    token: UInt64, nonce: Int32, passing ring: borrowing OwnedDescriptor
  ) throws(WireError) {
    try conversation.channel.send(.attached(error: 0, token: token, nonce: nonce), passing: ring)
  }

  /// Waits until the workload has gone: exit, exec or SIGKILL.
  func waitForEnd() { conversation.channel.waitForHangup() }

  /// Ends the conversation: the agent withdraws the device from its process.
  func dismiss() { conversation.channel.shutdown() }
}
