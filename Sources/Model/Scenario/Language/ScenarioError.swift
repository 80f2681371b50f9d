/// A line that is not in the language.
public struct ScenarioError: Error, Equatable, Sendable {
  public let file: String
  /// From 1.
  public let line: Int
  /// What was expected there, and what was found.
  public let expected: String
}

extension ScenarioError: CustomStringConvertible {
  public var description: String { "\(file):\(line): \(expected)" }
}
