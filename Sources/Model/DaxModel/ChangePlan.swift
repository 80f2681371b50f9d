/// How an accepted change is to be carried out.
public struct ChangePlan: Equatable, Sendable {
  /// Who does the work.
  public enum Effect: Sendable {
    /// The caller makes the system call; then `complete` or `abandon` must follow.
    case perform
    /// Nobody: the call succeeds. Nothing is under way, `complete` is not needed.
    case nothing
    /// The engine inserts the range with `populate`. Nothing is under way.
    case populate
  }

  /// The range to change, in bytes, rounded as the kernel rounds it.
  public let address: UInt64
  public let length: UInt64
  public let effect: Effect
  /// Of a move that needs a new place: choose an address that is `congruence` modulo this. Otherwise 0.
  public let alignment: UInt64
  public let congruence: UInt64

  public init(
    address: UInt64, length: UInt64, effect: Effect, alignment: UInt64 = 0, congruence: UInt64 = 0
  ) {
    self.address = address
    self.length = length
    self.effect = effect
    self.alignment = alignment
    self.congruence = congruence
  }
}
