/// A scenario: who does what, step by step, on a machine that is new.
public struct Scenario: Equatable, Sendable {
  /// A line that is to be carried out.
  public struct Line: Equatable, Sendable {
    /// From 1.
    public let number: Int
    /// As it stands in the file.
    public let text: String
    /// nil while the line holds a `${VARIABLE}`: it is read again when the variable is known.
    public let step: Step?
    /// What `#=` lines before it say in its place. A real machine carries out the line itself.
    public let own: [MachineOperation]
  }

  public let name: String
  /// What scenarios of a kind have in common: `devdax`, `fs`, `iso` (a boot of its own), `nfit_test`.
  public let group: String
  public let lines: [Line]
}

/// One line's meaning.
public enum Step: Equatable, Sendable {
  case actor(Actor, ActorOperation)
  case coordinator(CoordinatorOperation)
}
