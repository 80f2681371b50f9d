/// Reads shell programs as dash does: lists, pipelines, groups, conditions, loops, functions, redirections.
///
/// Nesting is limited, so that a reader needs no more stack than its thread has.
struct ShellParser {
  /// What a shell says before it ends with status 2.
  struct Failure: Error, Equatable {
    let message: String
  }

  static let nestingLimit = 40

  let text: [Unicode.Scalar]
  var position = 0
  private var depth = 0

  private init(_ text: some Sequence<Unicode.Scalar>) { self.text = Array(text) }

  static func parse(_ program: String) throws(Failure) -> ShellNode {
    var parser = ShellParser(program.unicodeScalars)
    let list = try parser.list(mayBeEmpty: true)
    try parser.expectEnd()
    return list
  }

  var peek: Unicode.Scalar? { position < text.count ? text[position] : nil }

  func ahead(_ distance: Int) -> Unicode.Scalar? {
    position + distance < text.count ? text[position + distance] : nil
  }

  mutating func take(_ token: String) -> Bool {
    let wanted = token.unicodeScalars
    guard text[position...].starts(with: wanted) else { return false }
    position += wanted.count
    return true
  }

  /// Goes one level deeper for as long as `body` reads.
  mutating func nested<T>(
    _ body: (inout ShellParser) throws(Failure) -> T
  ) throws(Failure) -> T {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.nestingLimit else {
      throw Failure(message: "nested more than \(Self.nestingLimit) deep")
    }
    return try body(&self)
  }

  // MARK: Space and words that the language keeps for itself

  private static let reserved: Set<String> = [
    "then", "elif", "else", "fi", "do", "done", "esac", "}", ";;",
  ]

  mutating func skipSpace(lines: Bool = false) {
    while let next = peek {
      if next == "\\", ahead(1) == "\n" {
        position += 2
      } else if next == " " || next == "\t" || lines && next == "\n" {
        position += 1
      } else if next == "#",
        position == 0 || " \t\n;|&(".unicodeScalars.contains(text[position - 1])
      {
        while peek != nil, peek != "\n" { position += 1 }
      } else {
        return
      }
    }
  }

  /// The plain word that begins here, or `;;`.
  func wordAhead() -> String? {
    if peek == ";", ahead(1) == ";" { return ";;" }
    var end = position
    while end < text.count, !" \t\n;|&()<>\"'\\$`".unicodeScalars.contains(text[end]) { end += 1 }
    // What goes on with a quote or an expansion is no plain word.
    if end < text.count, "\"'\\$`".unicodeScalars.contains(text[end]) { return nil }
    guard end > position else { return nil }
    return String(String.UnicodeScalarView(text[position..<end]))
  }

  private mutating func take(word: String) -> Bool {
    skipSpace(lines: true)
    guard wordAhead() == word else { return false }
    position += word.unicodeScalars.count
    return true
  }

  private mutating func expect(word: String) throws(Failure) {
    guard take(word: word) else { throw unexpected(expecting: word) }
  }

  /// A program inside of this one, as deep as this one is now.
  func parse(nested inner: String.UnicodeScalarView) throws(Failure) -> ShellNode {
    var parser = ShellParser(inner)
    parser.depth = depth
    let list = try parser.list(mayBeEmpty: true)
    try parser.expectEnd()
    return list
  }

  private func expectEnd() throws(Failure) {
    if peek != nil { throw unexpected() }
  }

  private func unexpected(expecting: String? = nil) -> Failure {
    let found =
      peek == nil ? "end of file" : "\"\(wordAhead() ?? peek.map { String($0) } ?? "")\""
    let wanted = expecting.map { " (expecting \"\($0)\")" } ?? ""
    return Failure(message: "Syntax error: \(found) unexpected\(wanted)")
  }

  // MARK: Lists

  /// Commands up to a reserved word that ends them, a closing parenthesis or the end.
  mutating func list(mayBeEmpty: Bool = false) throws(Failure) -> ShellNode {
    try nested { (parser) throws(Failure) in
      var items: [ShellNode.Item] = []
      var connector = ShellNode.Connector.always
      while true {
        parser.skipSpace(lines: true)
        if parser.isAtEndOfList {
          guard connector == .always, mayBeEmpty || !items.isEmpty else {
            throw parser.unexpected()
          }
          return .list(items)
        }
        items.append(ShellNode.Item(node: try parser.pipeline(), connector: connector))
        parser.skipSpace()
        let next = parser.connector()
        if next == nil, !parser.isAtEndOfList { throw parser.unexpected() }
        connector = next ?? .always
      }
    }
  }

  private var isAtEndOfList: Bool {
    peek == nil || peek == ")" || wordAhead().map(Self.reserved.contains) == true
  }

  /// What stands between two commands. nil at the end of a list.
  private mutating func connector() -> ShellNode.Connector? {
    if take("&&") { return .ifSucceeded }
    if take("||") { return .ifFailed }
    if wordAhead() == ";;" { return nil }
    return take(";") || take("&") || take("\n") ? .always : nil
  }

  private mutating func pipeline() throws(Failure) -> ShellNode {
    skipSpace()
    if wordAhead() == "!" {
      position += 1
      return try nested { (parser) throws(Failure) in .negated(try parser.pipeline()) }
    }
    var stages = [try stage()]
    skipSpace()
    while peek == "|", ahead(1) != "|" {
      position += 1
      skipSpace(lines: true)
      stages.append(try stage())
      skipSpace()
    }
    return stages.count == 1 ? stages[0] : .pipeline(stages)
  }

  private mutating func stage() throws(Failure) -> ShellNode {
    skipSpace()
    if take("(") {
      let body = try list()
      guard take(")") else { throw unexpected(expecting: ")") }
      return try redirected(.subshell(body))
    }
    let word = wordAhead()
    switch word {
    case "{", "for", "while", "until", "if", "case":
      position += word?.unicodeScalars.count ?? 0
      return try redirected(try compound(word ?? ""))
    default: break
    }
    if let word, let body = try function(word) { return body }
    let start = position
    let command = try simpleCommand()
    guard position > start else { throw unexpected() }
    return .command(command)
  }

  /// `NAME() COMMAND`
  private mutating func function(_ name: String) throws(Failure) -> ShellNode? {
    let start = position
    position += name.unicodeScalars.count
    skipSpace()
    guard Self.isName(name), take("(") else {
      position = start
      return nil
    }
    skipSpace()
    guard take(")") else { throw unexpected(expecting: ")") }
    skipSpace(lines: true)
    let body = try nested { (parser) throws(Failure) in try parser.stage() }
    return .function(name: name, body: body)
  }

  // MARK: Compound commands

  private mutating func compound(_ word: String) throws(Failure) -> ShellNode {
    switch word {
    case "{":
      let body = try list()
      try expect(word: "}")
      return body
    case "while", "until":
      let condition = try list()
      return .repeated(condition: condition, until: word == "until", body: try body())
    case "if": return try branch()
    case "case": return try select()
    default: return try loop()
    }
  }

  /// `do BODY; done`
  private mutating func body() throws(Failure) -> ShellNode {
    try expect(word: "do")
    let body = try list()
    try expect(word: "done")
    return body
  }

  private mutating func branch() throws(Failure) -> ShellNode {
    var branches: [(condition: ShellNode, body: ShellNode)] = []
    repeat {
      let condition = try list()
      try expect(word: "then")
      branches.append((condition, try list()))
    } while take(word: "elif")
    let otherwise = take(word: "else") ? try list() : nil
    try expect(word: "fi")
    return .branch(branches, otherwise: otherwise)
  }

  private mutating func loop() throws(Failure) -> ShellNode {
    skipSpace()
    guard let variable = try word().plain, Self.isName(variable) else {
      throw Failure(message: "Syntax error: Bad for loop variable")
    }
    var words: [ShellWord]?
    if take(word: "in") {
      words = []
      skipSpace()
      while let next = peek, !";\n&|()<>".unicodeScalars.contains(next) {
        words?.append(try word())
        skipSpace()
      }
    }
    skipSpace()
    if wordAhead() != ";;" { _ = take(";") }
    return .loop(variable: variable, words: words, body: try body())
  }

  private mutating func select() throws(Failure) -> ShellNode {
    skipSpace()
    let subject = try word()
    try expect(word: "in")
    var choices: [(patterns: [ShellWord], body: ShellNode)] = []
    while !take(word: "esac") {
      _ = take("(")
      var patterns: [ShellWord] = []
      repeat {
        skipSpace()
        let start = position
        patterns.append(try word())
        guard position > start else { throw unexpected() }
        skipSpace()
      } while take("|")
      guard take(")") else { throw unexpected(expecting: ")") }
      choices.append((patterns, try list(mayBeEmpty: true)))
      skipSpace(lines: true)
      guard take(";;") else {
        try expect(word: "esac")
        break
      }
    }
    return .select(subject, choices)
  }

  // MARK: Simple commands

  private mutating func simpleCommand() throws(Failure) -> ShellNode.Command {
    var command = ShellNode.Command()
    while true {
      skipSpace()
      guard let next = peek, !";|&()\n".unicodeScalars.contains(next) else { return command }
      if let redirection = try redirection() {
        command.redirections.append(redirection)
        continue
      }
      let word = try word()
      if command.words.isEmpty, let assignment = Self.assignment(word) {
        command.assignments.append(assignment)
      } else {
        command.words.append(word)
      }
    }
  }

  private mutating func redirected(_ node: ShellNode) throws(Failure) -> ShellNode {
    var redirections: [ShellNode.Redirection] = []
    skipSpace()
    while let redirection = try redirection() {
      redirections.append(redirection)
      skipSpace()
    }
    return redirections.isEmpty ? node : .redirected(node, redirections)
  }

  /// `<`, `>`, `>|`, `>>`, `>&` and `<&`, after the descriptor's number; nil: none here.
  private mutating func redirection() throws(Failure) -> ShellNode.Redirection? {
    var digits = position
    while digits < text.count, ("0"..."9").contains(text[digits]) { digits += 1 }
    guard digits < text.count, text[digits] == "<" || text[digits] == ">", digits - position < 3
    else { return nil }
    let isInput = text[digits] == "<"
    let number = Int(String(String.UnicodeScalarView(text[position..<digits])))
    position = digits + 1
    var kind: ShellNode.Redirection.Kind = isInput ? .input : .output
    if isInput, peek == "<" { throw Failure(message: "here-documents do not fit into a line") }
    if take("&") {
      kind = .duplicate
    } else if !isInput, take(">") {
      kind = .append
    } else if isInput, take(">") {
      kind = .append
    } else if !isInput {
      _ = take("|")
    }
    skipSpace()
    let start = position
    let target = try word()
    guard position > start else { throw unexpected() }
    return ShellNode.Redirection(
      descriptor: number ?? (isInput ? 0 : 1), kind: kind, target: target)
  }

  private static func assignment(_ word: ShellWord) -> (name: String, value: ShellWord)? {
    guard case .text(let text, false)? = word.segments.first,
      let equal = text.firstIndex(of: "="), isName(String(text[..<equal]))
    else { return nil }
    var value = word
    value.segments[0] = .text(String(text[text.index(after: equal)...]), quoted: false)
    return (String(text[..<equal]), value)
  }

  static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
    else { return false }
    return text.unicodeScalars.allSatisfy(isNamePart)
  }

  static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || ("0"..."9").contains(scalar) || ("a"..."z").contains(scalar)
      || ("A"..."Z").contains(scalar)
  }
}
