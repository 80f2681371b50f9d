/// What the coordinator knows of an actor, which is not always what is.
struct ActorSlot: Sendable {
  /// Number of the thread; nil before the actor was started.
  var thread: Int?
  /// The actor that created this one as a thread.
  var leader: Int?
  /// Whether it was alive when the coordinator looked.
  var seenAlive = false
  /// How it ended, once that was seen.
  var ending = ""
  /// Signals that a handler got, and that no step has shown yet.
  var signals: [SeenSignal] = []
  /// Mappings, for the addresses of signals.
  var names = NamedRanges()
}
