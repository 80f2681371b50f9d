/// A shell program, as dash reads it.
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
    enum Kind: Sendable {
      /// `<`
      case input
      /// `>`
      case output
      /// `>>`
      case append
      /// `>&`, `<&`
      case duplicate
    }

    let descriptor: Int
    let kind: Kind
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
  /// `! PIPELINE`
  case negated(ShellNode)
  case list([Item])
  /// `( LIST )`: what it sets is gone afterwards.
  case subshell(ShellNode)
  /// `for NAME in WORDS; do BODY; done`; without `in`, over the parameters.
  case loop(variable: String, words: [ShellWord]?, body: ShellNode)
  /// `while CONDITION; do BODY; done`, `until`
  case repeated(condition: ShellNode, until: Bool, body: ShellNode)
  /// `if CONDITION; then BODY; elif …; else …; fi`
  case branch([(condition: ShellNode, body: ShellNode)], otherwise: ShellNode?)
  /// `case WORD in PATTERN|PATTERN) BODY;; esac`
  case select(ShellWord, [(patterns: [ShellWord], body: ShellNode)])
  /// `NAME() BODY`
  case function(name: String, body: ShellNode)
  /// A compound command with redirections.
  case redirected(ShellNode, [Redirection])
}

/// A word before its parameters are put in.
struct ShellWord: Sendable {
  /// What is done with a parameter's value.
  enum Operation: Sendable {
    case value
    /// `${#NAME}`
    case length
    /// `-`, `=`, `+` or `?`, and whether a colon says that empty is as good as unset.
    case whenUnset(Character, orEmpty: Bool, ShellWord)
    /// `#`, `##`, `%`, `%%`
    case trim(fromEnd: Bool, longest: Bool, ShellWord)
  }

  indirect enum Segment: Sendable {
    /// Quoted text is no pattern.
    case text(String, quoted: Bool)
    case parameter(String, Operation, quoted: Bool)
    case substitution(ShellNode, quoted: Bool)
    /// `$((…))`, whose text is put together first.
    case arithmetic(ShellWord)
  }

  var segments: [Segment] = []

  /// The text, if nothing is to be put in.
  var plain: String? {
    var result = ""
    for case let segment in segments {
      guard case .text(let text, _) = segment else { return nil }
      result += text
    }
    return result
  }
}
