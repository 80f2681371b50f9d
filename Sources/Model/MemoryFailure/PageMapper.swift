/// A mapping that shows a page.
public struct PageMapper: Sendable, Equatable {
  public let process: Int32
  public let command: String
  /// Of the page itself.
  public let address: UInt64
  /// log2 of the bytes that an entry maps: `si_addr_lsb`.
  public let shift: UInt64
  /// There is an entry for it.
  public let isPresent: Bool
  /// The main thread's; a thread of its own may have asked for another.
  public let policy: KillPolicy

  public init(
    process: Int32, command: String, address: UInt64, shift: UInt64, isPresent: Bool,
    policy: KillPolicy
  ) {
    self.process = process
    self.command = command
    self.address = address
    self.shift = shift
    self.isPresent = isPresent
    self.policy = policy
  }
}
