public import SystemPackage

/// How an accepted change is to be carried out.
public struct ChangePlan: Equatable, Sendable {
  /// Who does the work.
  public enum Effect: Sendable {
    /// The caller makes the system call; then `complete` or `abandon` must follow.
    case perform
    /// Nobody: the call succeeds. Nothing is under way, `complete` is not needed.
    case nothing
    /// The engine inserts the range with `populate`, as far as that goes; what stops it is the call's errno, otherwise `failure` is. Nothing
    /// is under way.
    case populate
  }

  /// The range to change, in bytes, rounded as the kernel rounds it.
  public let address: UInt64
  public let length: UInt64
  public let effect: Effect
  /// Of a move that needs a new place: choose an address that is `congruence` modulo this. Otherwise 0.
  public let alignment: UInt64
  public let congruence: UInt64
  /// Addresses of huge pages that the change cuts: nothing shows there afterwards, and their entries are among what `complete` releases.
  public let cut: [Range<UInt64>]
  /// What MADV_POPULATE_* fails with when all of the range is there: it goes no further.
  public let failure: Errno?

  public init(
    address: UInt64, length: UInt64, effect: Effect, alignment: UInt64 = 0, congruence: UInt64 = 0,
    cut: [Range<UInt64>] = [], failure: Errno? = nil
  ) {
    self.address = address
    self.length = length
    self.effect = effect
    self.alignment = alignment
    self.congruence = congruence
    self.cut = cut
    self.failure = failure
  }
}
