/// One of the eight that act in a scenario: a process or a thread, `A` to `H`.
public struct Actor: Hashable, Comparable, Sendable {
  public static let count = 8

  /// 0 for A.
  public let index: Int

  public init?(letter: Character) {
    guard let value = letter.asciiValue, value >= 65, value < 65 + UInt8(Self.count) else {
      return nil
    }
    index = Int(value) - 65
  }

  init(index: Int) { self.index = index }

  public var letter: Character { Character(Unicode.Scalar(UInt8(65 + index))) }

  public static func < (left: Self, right: Self) -> Bool { left.index < right.index }
}
