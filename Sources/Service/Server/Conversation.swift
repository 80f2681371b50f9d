internal import LinuxSys
internal import Wire

/// A channel that its own thread reads, and that any thread may shut down.
final class Conversation: Sendable {
  let channel: Channel
  let identifier = UInt64.unguessable()

  init(_ channel: consuming Channel) { self.channel = channel }
}
