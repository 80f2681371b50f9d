/// An operation of the language.
struct Verb<Operation>: Sendable {
  typealias Read = @Sendable (inout Words) throws(Words.Failure) -> Operation

  /// In the words of docs/scenarios.md: upper case for what is to be put in, `[]` for what can be left out.
  let operands: String
  let read: Read

  init(_ operands: String, _ read: @escaping Read) {
    self.operands = operands
    self.read = read
  }
}

extension Scenario {
  /// Every operation of the language with its operands, by who can be told to do it: `A` or `-`.
  package static var operations: [(who: String, name: String, operands: String)] {
    let actors = ActorOperation.verbs.map { ("A", $0.key, $0.value.operands) }
    let texts = CoordinatorOperation.texts.map { ("-", $0.key, $0.value) }
    let others = CoordinatorOperation.verbs.map { ("-", $0.key, $0.value.operands) }
    let machine = MachineOperation.verbs.map { ("-", $0.key, $0.value.operands) }
    return (actors + texts + others + machine).sorted { ($0.0, $0.1) < ($1.0, $1.1) }
      .map { (who: $0.0, name: $0.1, operands: $0.2) }
  }
}
