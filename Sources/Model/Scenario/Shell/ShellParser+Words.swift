/// Words of a shell program: quotes, parameters, substitutions.
extension ShellParser {
  /// A word up to a space or an operator; empty where none begins.
  mutating func word() throws(Failure) -> ShellWord {
    try word { " \t\n;|&()<>".unicodeScalars.contains($0) }
  }

  /// Text up to what ends it outside of quotes.
  private mutating func word(
    until isEnd: (Unicode.Scalar) -> Bool
  ) throws(Failure) -> ShellWord {
    var word = ShellWord()
    var literal = String.UnicodeScalarView()
    func flush(quoted: Bool = false) {
      if !literal.isEmpty { word.segments.append(.text(String(literal), quoted: quoted)) }
      literal = String.UnicodeScalarView()
    }
    while let next = peek, !isEnd(next) {
      switch next {
      case "'":
        flush()
        position += 1
        while let inner = peek, inner != "'" {
          literal.append(inner)
          position += 1
        }
        try close("'")
        word.segments.append(.text(String(literal), quoted: true))
        literal = String.UnicodeScalarView()
      case "\"":
        flush()
        position += 1
        try quotedText(into: &word)
      case "\\":
        flush()
        position += 1
        guard let escaped = peek else {
          literal.append("\\")
          break
        }
        position += 1
        if escaped != "\n" { word.segments.append(.text(String(escaped), quoted: true)) }
      case "$", "`":
        flush()
        word.segments.append(try expansion(quoted: false))
      default:
        literal.append(next)
        position += 1
      }
    }
    flush()
    return word
  }

  /// What is between double quotes.
  private mutating func quotedText(into word: inout ShellWord) throws(Failure) {
    var literal = String.UnicodeScalarView()
    // An empty pair of quotes is a word.
    word.segments.append(.text("", quoted: true))
    while let next = peek, next != "\"" {
      switch next {
      case "\\":
        position += 1
        guard let escaped = peek else { break }
        position += 1
        if escaped == "\n" { continue }
        if !"$`\"\\".unicodeScalars.contains(escaped) { literal.append("\\") }
        literal.append(escaped)
      case "$", "`":
        word.segments.append(.text(String(literal), quoted: true))
        literal = String.UnicodeScalarView()
        word.segments.append(try expansion(quoted: true))
      default:
        literal.append(next)
        position += 1
      }
    }
    word.segments.append(.text(String(literal), quoted: true))
    try close("\"")
  }

  private mutating func close(_ quote: String) throws(Failure) {
    guard take(quote) else {
      throw Failure(message: "Syntax error: Unterminated quoted string")
    }
  }

  // MARK: Expansions

  private mutating func expansion(quoted: Bool) throws(Failure) -> ShellWord.Segment {
    if take("`") { return .substitution(try backquoted(), quoted: quoted) }
    position += 1
    if take("((") {
      return .arithmetic(try nested { (parser) throws(Failure) in try parser.arithmetic() })
    }
    if take("(") {
      let body = try list(mayBeEmpty: true)
      guard take(")") else {
        throw Failure(message: "Syntax error: end of file unexpected (expecting \")\")")
      }
      return .substitution(body, quoted: quoted)
    }
    if take("{") {
      return try nested { (parser) throws(Failure) in try parser.braced(quoted: quoted) }
    }
    let name = parameterName()
    return name.isEmpty ? .text("$", quoted: quoted) : .parameter(name, .value, quoted: quoted)
  }

  /// A variable's name, a digit, or one of the special parameters.
  private mutating func parameterName() -> String {
    var name = String.UnicodeScalarView()
    if let next = peek, "?@*#$!-0123456789".unicodeScalars.contains(next) {
      position += 1
      return String(next)
    }
    while let next = peek, Self.isNamePart(next) {
      name.append(next)
      position += 1
    }
    return String(name)
  }

  /// The text up to the parentheses that close it, in which parameters are put before it is read as an expression.
  private mutating func arithmetic() throws(Failure) -> ShellWord {
    var word = ShellWord()
    var open = 0
    while let next = peek {
      if next == ")", open == 0 {
        guard take("))") else { break }
        return word
      }
      switch next {
      case "$", "`": word.segments.append(try expansion(quoted: true))
      case "\"": position += 1
      default:
        open += next == "(" ? 1 : next == ")" ? -1 : 0
        word.segments.append(.text(String(next), quoted: true))
        position += 1
      }
    }
    throw Failure(message: "Syntax error: Missing '))'")
  }

  /// `${…}` after its brace.
  private mutating func braced(quoted: Bool) throws(Failure) -> ShellWord.Segment {
    let bad = Failure(message: "Bad substitution")
    if peek == "#", let next = ahead(1), next != "}" {
      position += 1
      let name = parameterName()
      guard !name.isEmpty, take("}") else { throw bad }
      return .parameter(name, .length, quoted: quoted)
    }
    let name = parameterName()
    guard !name.isEmpty else { throw bad }
    if take("}") { return .parameter(name, .value, quoted: quoted) }
    let operation: ShellWord.Operation
    if take("##") {
      operation = .trim(fromEnd: false, longest: true, try bracedWord())
    } else if take("#") {
      operation = .trim(fromEnd: false, longest: false, try bracedWord())
    } else if take("%%") {
      operation = .trim(fromEnd: true, longest: true, try bracedWord())
    } else if take("%") {
      operation = .trim(fromEnd: true, longest: false, try bracedWord())
    } else {
      let orEmpty = take(":")
      guard let sign = peek, "-=+?".unicodeScalars.contains(sign) else { throw bad }
      position += 1
      operation = .whenUnset(Character(sign), orEmpty: orEmpty, try bracedWord())
    }
    guard take("}") else { throw Failure(message: "Syntax error: Missing '}'") }
    return .parameter(name, operation, quoted: quoted)
  }

  private mutating func bracedWord() throws(Failure) -> ShellWord {
    try word { $0 == "}" }
  }

  /// `` `…` ``: a program of its own, in which a backslash keeps a backquote from ending it.
  private mutating func backquoted() throws(Failure) -> ShellNode {
    var inner = String.UnicodeScalarView()
    while let next = peek, next != "`" {
      position += 1
      if next == "\\", let escaped = peek, "`\\$".unicodeScalars.contains(escaped) {
        inner.append(escaped)
        position += 1
      } else {
        inner.append(next)
      }
    }
    guard take("`") else {
      throw Failure(message: "Syntax error: EOF in backquote substitution")
    }
    return try nested { (parser) throws(Failure) in
      try parser.parse(nested: inner)
    }
  }
}
