extension Sequence {
  /// The first result that is not nil. `transform` is called once for each element up to there: `lazy.compactMap { … }.first` calls it
  /// again for the one that it found, and what has changed meanwhile is a trap.
  ///
  /// The name is that of swift-algorithms.
  @inlinable
  public func firstNonNil<Result, Failure: Error>(
    _ transform: (Element) throws(Failure) -> Result?
  ) throws(Failure) -> Result? {
    for element in self {
      if let result = try transform(element) { return result }
    }
    return nil
  }
}
