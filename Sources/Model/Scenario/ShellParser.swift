/// Reads shell lines: lists, pipelines, groups, quotes, variables, substitutions, redirections and for-loops.
///
/// A total function: what it does not know becomes words or is skipped. Nesting is limited.
struct ShellParser {
  private let text: [Character]
  private var position = 0
  private var depth = 0

  private init(_ text: String) { self.text = Array(text) }

  static func parse(_ line: String) -> ShellNode {
    var parser = ShellParser(line)
    return parser.list(until: [])
  }

  private var peek: Character? { position < text.count ? text[position] : nil }

  private func ahead(_ distance: Int) -> Character? {
    position + distance < text.count ? text[position + distance] : nil
  }

  private mutating func skipSpace(lines: Bool = false) {
    while let next = peek, next == " " || next == "\t" || lines && next == "\n" { position += 1 }
  }

  private mutating func take(_ token: String) -> Bool {
    let wanted = Array(token)
    guard text.dropFirst(position).starts(with: wanted) else { return false }
    position += wanted.count
    return true
  }

  // MARK: Lists

  /// Commands up to one of the words in `end`, a closing parenthesis or the end.
  private mutating func list(until end: Set<String>) -> ShellNode {
    depth += 1
    defer { depth -= 1 }
    guard depth < 24 else {
      position = text.count
      return .skipped
    }
    var items: [ShellNode.Item] = []
    var connector = ShellNode.Connector.always
    while true {
      skipSpace(lines: true)
      guard let next = peek, next != ")" else { break }
      if let word = wordAhead(), end.contains(word) { break }
      let start = position
      items.append(ShellNode.Item(node: pipeline(), connector: connector))
      skipSpace()
      if take("&&") {
        connector = .ifSucceeded
      } else if take("||") {
        connector = .ifFailed
      } else {
        connector = .always
        _ = take(";") || take("&") || take("\n")
      }
      // Whatever was not understood is passed over.
      if position == start { position += 1 }
    }
    return .list(items)
  }

  private mutating func pipeline() -> ShellNode {
    var stages = [stage()]
    skipSpace()
    while peek == "|", ahead(1) != "|" {
      position += 1
      skipSpace(lines: true)
      stages.append(stage())
      skipSpace()
    }
    return stages.count == 1 ? stages[0] : .pipeline(stages)
  }

  private mutating func stage() -> ShellNode {
    skipSpace()
    if take("(") {
      let body = list(until: [])
      _ = take(")")
      return redirected(body)
    }
    switch wordAhead() {
    case "{":
      position += 1
      let body = list(until: ["}"])
      _ = take("}")
      return redirected(body)
    case "for":
      position += 3
      return redirected(loop())
    case "while" where isReadLoop:
      return redirected(readLoop())
    case "while", "if", "until":
      skipCompound()
      return redirected(.skipped)
    default:
      return .command(command())
    }
  }

  private mutating func redirected(_ node: ShellNode) -> ShellNode {
    let redirections = command(wordsAllowed: false).redirections
    return redirections.isEmpty ? node : .redirected(node, redirections)
  }

  private var isReadLoop: Bool {
    String(text.dropFirst(position).prefix(11)) == "while read "
  }

  private mutating func readLoop() -> ShellNode {
    position += 11
    skipSpace()
    let variable = word().plain ?? ""
    return .lines(variable: variable, body: body())
  }

  /// `; do BODY; done`
  private mutating func body() -> ShellNode {
    skipSpace(lines: true)
    _ = take(";")
    skipSpace(lines: true)
    if wordAhead() == "do" { position += 2 }
    let body = list(until: ["done"])
    _ = take("done")
    return body
  }

  private mutating func loop() -> ShellNode {
    skipSpace()
    let variable = word().plain ?? ""
    skipSpace()
    var words: [ShellWord] = []
    if wordAhead() == "in" {
      position += 2
      skipSpace()
      while let next = peek, next != ";", next != "\n" {
        let start = position
        words.append(word())
        skipSpace()
        if position == start { break }
      }
    }
    return .loop(variable: variable, words: words, body: body())
  }

  /// Passes over `while … done` or `if … fi`.
  private mutating func skipCompound() {
    var open = 0
    while position < text.count {
      let word = wordAhead() ?? ""
      if ["while", "until", "if", "for"].contains(word) { open += 1 }
      if ["done", "fi"].contains(word) { open -= 1 }
      position += max(1, word.count)
      if open == 0 { return }
    }
  }

  /// The plain word that begins here.
  private func wordAhead() -> String? {
    var end = position
    while end < text.count, !" \t\n;|&()<>\"'$`".contains(text[end]) { end += 1 }
    return end > position ? String(text[position..<end]) : nil
  }

  // MARK: Commands

  private mutating func command(wordsAllowed: Bool = true) -> ShellNode.Command {
    var command = ShellNode.Command()
    while true {
      skipSpace()
      guard let next = peek, !";|&)\n".contains(next) else { return command }
      if let redirection = redirection() {
        if let redirection { command.redirections.append(redirection) }
        continue
      }
      guard wordsAllowed, next != "(" else { return command }
      let start = position
      let word = word()
      guard position > start else { return command }
      if command.words.isEmpty, let assignment = Self.assignment(word) {
        command.assignments.append(assignment)
      } else {
        command.words.append(word)
      }
    }
  }

  /// `>`, `>>`, `2>`, `<` and `2>&1`. nil: none here; an inner nil: one without effect.
  private mutating func redirection() -> ShellNode.Redirection?? {
    let start = position
    var descriptor = 1
    if let digit = peek, let value = digit.wholeNumberValue, let after = ahead(1),
      after == ">" || after == "<"
    {
      descriptor = value
      position += 1
    }
    guard let arrow = peek, arrow == ">" || arrow == "<" else {
      position = start
      return nil
    }
    position += 1
    let appends = arrow == ">" && take(">")
    if take("&") {
      _ = word()
      return .some(nil)
    }
    skipSpace()
    let target = word()
    return .some(
      ShellNode.Redirection(
        descriptor: arrow == "<" ? 0 : descriptor, appends: appends, target: target))
  }

  private static func assignment(_ word: ShellWord) -> (name: String, value: ShellWord)? {
    guard case .text(let text)? = word.segments.first, let equal = text.firstIndex(of: "="),
      equal > text.startIndex,
      text[..<equal].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
    else { return nil }
    var value = word
    value.segments[0] = .text(String(text[text.index(after: equal)...]))
    return (String(text[..<equal]), value)
  }

  // MARK: Words

  private mutating func word() -> ShellWord {
    var word = ShellWord()
    var literal = ""
    func flush() {
      if !literal.isEmpty { word.segments.append(.text(literal)) }
      literal = ""
    }
    var quoted = false
    while let next = peek {
      if next == "'" && !quoted {
        position += 1
        while let inner = peek, inner != "'" {
          literal.append(inner)
          position += 1
        }
        position += 1
        word.segments.append(.text(literal))
        literal = ""
      } else if next == "\"" {
        quoted.toggle()
        position += 1
        flush()
        word.segments.append(.text(""))
      } else if next == "\\" {
        position += 1
        if let escaped = peek {
          literal.append(escaped)
          position += 1
        }
      } else if next == "$" {
        flush()
        word.segments.append(expansion(quoted: quoted))
      } else if !quoted, " \t\n;|&()<>".contains(next) {
        break
      } else {
        literal.append(next)
        position += 1
      }
    }
    flush()
    return word
  }

  private mutating func expansion(quoted: Bool) -> ShellWord.Segment {
    position += 1
    if take("((") {
      var inner = ""
      while position < text.count, !take("))") {
        inner.append(text[position])
        position += 1
      }
      return .arithmetic(inner)
    }
    if take("(") {
      let body = list(until: [])
      _ = take(")")
      return .substitution(body, quoted: quoted)
    }
    if take("{") {
      var name = ""
      while let next = peek, next != "}" {
        name.append(next)
        position += 1
      }
      position += 1
      return .variable(name, quoted: quoted)
    }
    var name = ""
    while let next = peek, next.isASCII, next.isLetter || next.isNumber || next == "_" {
      name.append(next)
      position += 1
    }
    if name.isEmpty, let next = peek, "?@*#$!".contains(next) {
      name = String(next)
      position += 1
    }
    return name.isEmpty ? .text("$") : .variable(name, quoted: quoted)
  }
}
