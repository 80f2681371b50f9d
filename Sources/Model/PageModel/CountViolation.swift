/// A folio whose counts contradict each other.
public struct CountViolation: Equatable, Sendable {
  public let folio: Int
  public let counts: PageCounts
}

extension CountViolation: CustomStringConvertible {
  public var description: String {
    "folio \(folio): refcount \(counts.refcount) is below mapcount \(counts.mapcount)"
  }
}
