/// How an accepted mmap() is to be carried out; all in bytes.
public struct MapPlan: Equatable, Sendable {
  /// The request's length, rounded up to 4 KiB.
  public let length: UInt64
  /// Where the caller gave no address: choose one that is `congruence` modulo this, in room for as much more; 0: any.
  public let alignment: UInt64
  public let congruence: UInt64

  public init(length: UInt64, alignment: UInt64, congruence: UInt64) {
    self.length = length
    self.alignment = alignment
    self.congruence = congruence
  }
}
