/// A shell line, as far as scenarios need one.
indirect enum ShellNode: Sendable {
  /// What decides whether the next one runs.
  enum Connector: Sendable {
    /// `;`, `&` and the end of a line
    case always
    /// `&&`
    case ifSucceeded
    /// `||`
    case ifFailed
  }

  struct Redirection: Sendable {
    /// 0 for `<`, 1, or 2 for errors.
    let descriptor: Int
    let appends: Bool
    let target: ShellWord
  }

  struct Command: Sendable {
    var assignments: [(name: String, value: ShellWord)] = []
    var words: [ShellWord] = []
    var redirections: [Redirection] = []
  }

  struct Item: Sendable {
    let node: ShellNode
    /// Between this one and the one before.
    let connector: Connector
  }

  case command(Command)
  case pipeline([ShellNode])
  case list([Item])
  /// `for NAME in WORDS; do BODY; done`
  case loop(variable: String, words: [ShellWord], body: ShellNode)
  /// `while read NAME; do BODY; done`
  case lines(variable: String, body: ShellNode)
  /// A group with redirections.
  case redirected(ShellNode, [Redirection])
  /// Other `while`s, and `if`, which are not carried out.
  case skipped
}

/// A word before its variables are put in.
struct ShellWord: Sendable {
  enum Segment: Sendable {
    case text(String)
    case variable(String, quoted: Bool)
    case substitution(ShellNode, quoted: Bool)
    case arithmetic(String)
  }

  var segments: [Segment] = []

  /// The text, if nothing is to be put in.
  var plain: String? {
    var result = ""
    for case let segment in segments {
      guard case .text(let text) = segment else { return nil }
      result += text
    }
    return result
  }
}
