/// What was decided in a run, step by step, in words.
public struct Journal: Sendable {
  /// One decision.
  public struct Note: Sendable {
    /// The kernel function, or the rule of the simulator.
    public let rule: String
    public let text: String
  }

  public struct Entry: Sendable {
    /// In the scenario's file.
    public let line: Int
    /// The step, variables put in.
    public let text: String
    public internal(set) var notes: [Note] = []
  }

  public private(set) var entries: [Entry] = []

  public init() {}

  mutating func begin(line: Int, text: String) {
    entries.append(Entry(line: line, text: text))
  }

  mutating func note(rule: String, _ text: String) {
    guard !entries.isEmpty else { return }
    entries[entries.count - 1].notes.append(Note(rule: rule, text: text))
  }
}
