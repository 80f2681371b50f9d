/// Reads awk: every function gives nil for what it does not know.
struct AwkReader {
  typealias Expression = AwkProgram.Expression
  typealias Statement = AwkProgram.Statement

  private let text: [Unicode.Scalar]
  private var position = 0
  private var depth = 0

  init(_ text: String) { self.text = Array(text.unicodeScalars) }

  private var peek: Unicode.Scalar? { position < text.count ? text[position] : nil }

  private mutating func skip(_ these: String = " \t") {
    while let next = peek, these.unicodeScalars.contains(next) { position += 1 }
  }

  private mutating func take(_ token: String) -> Bool {
    skip()
    guard text[position...].starts(with: token.unicodeScalars) else { return false }
    position += token.unicodeScalars.count
    return true
  }

  private mutating func nested<T>(_ body: (inout AwkReader) -> T?) -> T? {
    depth += 1
    defer { depth -= 1 }
    return depth <= 32 ? body(&self) : nil
  }

  private mutating func name() -> String? {
    skip()
    let start = position
    while let next = peek, ShellParser.isNamePart(next) { position += 1 }
    let name = String(String.UnicodeScalarView(text[start..<position]))
    guard ShellParser.isName(name) else {
      position = start
      return nil
    }
    return name
  }

  // MARK: Rules and statements

  mutating func rules() -> [(pattern: AwkProgram.Pattern, action: [Statement])]? {
    var rules: [(pattern: AwkProgram.Pattern, action: [Statement])] = []
    skip(" \t\n;")
    while peek != nil {
      var pattern = AwkProgram.Pattern.always
      if peek != "{" {
        let start = position
        switch name() {
        case "BEGIN": pattern = .begin
        case "END": pattern = .end
        default:
          position = start
          guard let expression = expression() else { return nil }
          pattern = .when(expression)
        }
      }
      var action = [Statement.print([])]
      skip()
      if peek == "{" {
        guard let block = block() else { return nil }
        action = block
      } else if case .when = pattern {
      } else {
        return nil
      }
      rules.append((pattern, action))
      skip(" \t\n;")
    }
    return rules
  }

  private mutating func block() -> [Statement]? {
    guard take("{") else { return nil }
    return nested { reader in
      var statements: [Statement] = []
      reader.skip(" \t\n;")
      while !reader.take("}") {
        guard let statement = reader.statement() else { return nil }
        statements.append(statement)
        reader.skip()
        guard reader.peek == ";" || reader.peek == "\n" || reader.peek == "}" || reader.ended
        else { return nil }
        reader.skip(" \t\n;")
      }
      return statements
    }
  }

  /// Whether what was read last was a block.
  private var ended: Bool { position > 0 && text[position - 1] == "}" }

  private mutating func statement() -> Statement? {
    let start = position
    switch name() {
    case "print": return list(upTo: nil).map(Statement.print)
    case "printf": return list(upTo: nil).map(Statement.format)
    case "next": return .next
    case "exit":
      _ = expression()
      return .exit
    case "if":
      return nested { reader in
        guard reader.take("("), let condition = reader.expression(), reader.take(")"),
          let body = reader.body()
        else { return nil }
        let end = reader.position
        reader.skip(" \t\n;")
        guard reader.name() == "else" else {
          reader.position = end
          return .branch(condition, body, [])
        }
        return reader.body().map { .branch(condition, body, $0) }
      }
    default:
      position = start
      return expression().map(Statement.expression)
    }
  }

  private mutating func body() -> [Statement]? {
    skip(" \t\n")
    return peek == "{" ? block() : statement().map { [$0] }
  }

  /// Expressions, parted by commas; none at all are possible.
  private mutating func list(upTo end: Unicode.Scalar?) -> [Expression]? {
    skip()
    var items: [Expression] = []
    if let next = peek, next == end || ";}\n".unicodeScalars.contains(next) { return items }
    if peek == nil { return items }
    repeat {
      guard let item = expression() else { return nil }
      items.append(item)
    } while take(",")
    // Files and pipes of awk's own are not known.
    skip()
    return peek == ">" || peek == "|" ? nil : items
  }

  // MARK: Expressions

  private mutating func expression() -> Expression? {
    nested { reader in
      guard let left = reader.choice() else { return nil }
      for sign in ["+=", "-=", "*=", "/=", "%="] where reader.take(sign) {
        return reader.expression().map { .assign(left, String(sign.prefix(1)), $0) }
      }
      reader.skip()
      if reader.peek == "=", reader.take("="), reader.peek != "=" {
        switch left {
        case .variable, .field: return reader.expression().map { .assign(left, "", $0) }
        default: return nil
        }
      }
      return left
    }
  }

  private mutating func choice() -> Expression? {
    guard let condition = level(0) else { return nil }
    guard take("?") else { return condition }
    guard let first = expression(), take(":"), let second = expression() else { return nil }
    return .either(condition, first, second)
  }

  private static let levels: [[String]] = [
    ["||"], ["&&"], ["!~", "~"], ["<=", ">=", "==", "!=", "<", ">"], [" "], ["+", "-"],
    ["*", "/", "%"],
  ]

  private mutating func level(_ level: Int) -> Expression? {
    guard level < Self.levels.count else { return unary() }
    guard var left = self.level(level + 1) else { return nil }
    while let sign = sign(level) {
      guard let right = self.level(level + 1) else { return nil }
      if sign == "~" || sign == "!~" {
        guard let expression = Self.expression(right) else { return nil }
        let matched = Expression.matches(left, expression)
        left = sign == "~" ? matched : .unary("!", matched)
      } else {
        left = .binary(sign, left, right)
      }
    }
    return left
  }

  /// The regular expression that an operand is.
  private static func expression(_ operand: Expression) -> RegularExpression? {
    switch operand {
    case .matches(nil, let expression): expression
    case .text(let text): RegularExpression(text, extended: true)
    default: nil
    }
  }

  private mutating func sign(_ level: Int) -> String? {
    if level == 4 {
      // Operands side by side are put together.
      skip()
      guard let next = peek else { return nil }
      return next == "$" || next == "\"" || next == "(" || ShellParser.isNamePart(next) ? " " : nil
    }
    for sign in Self.levels[level] {
      let start = position
      guard take(sign) else { continue }
      // `a += b` assigns.
      if peek == "=", "+-*/%".contains(sign) {
        position = start
        return nil
      }
      return sign
    }
    return nil
  }

  private mutating func unary() -> Expression? {
    nested { reader in
      for (sign, step) in [("++", 1.0), ("--", -1.0)] where reader.take(sign) {
        return reader.unary().map { .step($0, by: step, isPrefix: true) }
      }
      for sign in ["!", "-", "+"] where reader.take(sign) {
        return reader.unary().map { .unary(sign, $0) }
      }
      guard let operand = reader.primary() else { return nil }
      for (sign, step) in [("++", 1.0), ("--", -1.0)] where reader.take(sign) {
        return .step(operand, by: step, isPrefix: false)
      }
      return operand
    }
  }

  private mutating func primary() -> Expression? {
    skip()
    guard let next = peek else { return nil }
    if take("(") {
      guard let inner = expression(), take(")") else { return nil }
      return inner
    }
    if take("$") { return primary().map(Expression.field) }
    if take("\"") { return quoted("\"").map { .text(ShellTool.escaped($0)) } }
    if take("/") {
      return quoted("/").flatMap { RegularExpression($0, extended: true) }.map {
        .matches(nil, $0)
      }
    }
    if ("0"..."9").contains(next) || next == "." { return number() }
    guard let name = name() else { return nil }
    guard peek == "(" || name == "length" else { return .variable(name) }
    var arguments: [Expression] = []
    if take("(") {
      guard let list = list(upTo: ")"), take(")") else { return nil }
      arguments = list
    }
    if name == "sub" || name == "gsub" {
      guard arguments.count >= 2, let expression = Self.expression(arguments[0]) else { return nil }
      let target = arguments.count > 2 ? arguments[2] : .field(.number(0))
      return .substitute(expression, arguments[1], target, all: name == "gsub")
    }
    return AwkMachine.functions.contains(name) ? .call(name, arguments) : nil
  }

  private mutating func number() -> Expression? {
    var digits = ""
    while let next = peek, ("0"..."9").contains(next) || next == "." {
      digits.unicodeScalars.append(next)
      position += 1
    }
    return Double(digits).map(Expression.number)
  }

  /// Text up to the mark, which a backslash protects.
  private mutating func quoted(_ mark: Unicode.Scalar) -> String? {
    var result = String.UnicodeScalarView()
    while let next = peek, next != mark {
      position += 1
      if next == "\\", peek == mark {
        result.append(mark)
        position += 1
      } else {
        result.append(next)
        if next == "\\", let escaped = peek {
          result.append(escaped)
          position += 1
        }
      }
    }
    guard peek == mark else { return nil }
    position += 1
    return String(result)
  }
}
