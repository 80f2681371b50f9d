/// What a mapping may be used for; the values are those of PROT_*.
public struct Protection: OptionSet, Hashable, Sendable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// PROT_READ
  public static let read = Protection(rawValue: 1)
  /// PROT_WRITE
  public static let write = Protection(rawValue: 2)
  /// PROT_EXEC
  public static let execute = Protection(rawValue: 4)

  /// The bits that a mapping keeps.
  var known: Protection { intersection([.read, .write, .execute]) }
}
