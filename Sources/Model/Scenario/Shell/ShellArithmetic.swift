/// `$((…))`: whole numbers of 64 bits, C's operators, variables and assignments.
///
/// Overflow wraps, as in C compilers' practice and in dash. Nesting is limited.
struct ShellArithmetic {
  struct Failure: Error {
    let message: String
  }

  private let text: [Unicode.Scalar]
  private let lookup: (String) -> String
  private var position = 0
  private var depth = 0
  /// Above 0 in what `&&`, `||` and `?:` leave out: it is read, and divides by nothing.
  private var skipping = 0
  private var assigned: [String: Int64] = [:]

  /// - Parameter lookup: A variable's value; empty for one that is not set, which counts as 0.
  /// - Returns: The value, and what variables were given on the way.
  static func value(
    _ text: String, _ lookup: @escaping (String) -> String
  ) throws(Failure) -> (value: Int64, assigned: [String: Int64]) {
    var reader = ShellArithmetic(text: Array(text.unicodeScalars), lookup: lookup)
    reader.skipSpace()
    guard reader.peek != nil else { return (0, [:]) }
    let value = try reader.expression()
    guard reader.peek == nil else { throw reader.failure("expecting EOF") }
    return (value, reader.assigned)
  }

  private init(text: [Unicode.Scalar], lookup: @escaping (String) -> String) {
    self.text = text
    self.lookup = lookup
  }

  private var peek: Unicode.Scalar? { position < text.count ? text[position] : nil }

  private mutating func skipSpace() {
    while let next = peek, " \t\n".unicodeScalars.contains(next) { position += 1 }
  }

  private mutating func take(_ token: String) -> Bool {
    guard text[position...].starts(with: token.unicodeScalars) else { return false }
    position += token.unicodeScalars.count
    skipSpace()
    return true
  }

  private func failure(_ what: String) -> Failure {
    let shown = String(String.UnicodeScalarView(text.prefix(40)))
    return Failure(message: "arithmetic expression: \(what): \"\(shown)\"")
  }

  // MARK: Operators

  /// From the loosest to the tightest; in a row, the longer first.
  private static let binary: [[String]] = [
    ["||"], ["&&"], ["|"], ["^"], ["&"], ["==", "!="], ["<=", ">=", "<", ">"], ["<<", ">>"],
    ["+", "-"], ["*", "/", "%"],
  ]

  private mutating func expression() throws(Failure) -> Int64 {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 32 else { throw failure("nested too deep") }
    let condition = try operation(0)
    guard take("?") else { return condition }
    let first = try skipping(condition == 0) { (reader) throws(Failure) in
      try reader.expression()
    }
    guard take(":") else { throw failure("expecting ':'") }
    let second = try skipping(condition != 0) { (reader) throws(Failure) in
      try reader.expression()
    }
    return condition != 0 ? first : second
  }

  private mutating func skipping(
    _ skips: Bool, _ body: (inout ShellArithmetic) throws(Failure) -> Int64
  ) throws(Failure) -> Int64 {
    skipping += skips ? 1 : 0
    defer { skipping -= skips ? 1 : 0 }
    return try body(&self)
  }

  private mutating func operation(_ level: Int) throws(Failure) -> Int64 {
    guard level < Self.binary.count else { return try unary() }
    var left = try operation(level + 1)
    while let sign = binaryOperator(level) {
      let decided = sign == "&&" && left == 0 || sign == "||" && left != 0
      let right = try skipping(decided) { (reader) throws(Failure) in
        try reader.operation(level + 1)
      }
      left = try apply(sign, left, right)
    }
    return left
  }

  private mutating func binaryOperator(_ level: Int) -> String? {
    for sign in Self.binary[level] {
      let start = position
      guard take(sign) else { continue }
      // `&` is not `&&`, `<` not `<<`, and `+=` is an assignment.
      let next = start + sign.count < text.count ? text[start + sign.count] : " "
      let isOther =
        "|&<>".contains(sign) && next == sign.unicodeScalars.first
        || next == "=" && !["==", "!=", "<=", ">="].contains(sign)
      if !isOther { return sign }
      position = start
    }
    return nil
  }

  private func apply(_ sign: String, _ left: Int64, _ right: Int64) throws(Failure) -> Int64 {
    switch sign {
    case "||": return left != 0 || right != 0 ? 1 : 0
    case "&&": return left != 0 && right != 0 ? 1 : 0
    case "|": return left | right
    case "^": return left ^ right
    case "&": return left & right
    case "==": return left == right ? 1 : 0
    case "!=": return left != right ? 1 : 0
    case "<=": return left <= right ? 1 : 0
    case ">=": return left >= right ? 1 : 0
    case "<": return left < right ? 1 : 0
    case ">": return left > right ? 1 : 0
    case "<<": return left &<< right
    case ">>": return left &>> right
    case "+": return left &+ right
    case "-": return left &- right
    case "*": return left &* right
    default:
      if right == 0 {
        if skipping > 0 { return 0 }
        throw failure("division by zero")
      }
      return sign == "/"
        ? left.dividedReportingOverflow(by: right).partialValue
        : left.remainderReportingOverflow(dividingBy: right).partialValue
    }
  }

  // MARK: Operands

  private mutating func unary() throws(Failure) -> Int64 {
    depth += 1
    defer { depth -= 1 }
    guard depth <= 32 else { throw failure("nested too deep") }
    if take("-") { return 0 &- (try unary()) }
    if take("+") { return try unary() }
    if take("~") { return ~(try unary()) }
    if take("!") { return try unary() == 0 ? 1 : 0 }
    if take("(") {
      let value = try expression()
      guard take(")") else { throw failure("expecting ')'") }
      return value
    }
    var word = String.UnicodeScalarView()
    while let next = peek, ShellParser.isNamePart(next) {
      word.append(next)
      position += 1
    }
    skipSpace()
    let name = String(word)
    guard ShellParser.isName(name) else {
      guard let value = Words.number(name) else { throw failure("expecting primary") }
      return value
    }
    return try variable(name)
  }

  /// A variable, or an assignment to it.
  private mutating func variable(_ name: String) throws(Failure) -> Int64 {
    for sign in ["", "+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^"] {
      let start = position
      guard take(sign + "=") else { continue }
      if sign.isEmpty, peek == "=", text[start] == "=", start + 1 == position {
        position = start
        break
      }
      let right = try expression()
      let value = sign.isEmpty ? right : try apply(sign, try held(name), right)
      if skipping == 0 { assigned[name] = value }
      return value
    }
    return try held(name)
  }

  private func held(_ name: String) throws(Failure) -> Int64 {
    if let value = assigned[name] { return value }
    let text = lookup(name)
    if text.isEmpty { return 0 }
    guard let value = Words.number(text) else {
      throw Failure(message: "Illegal number: \(text.prefix(40))")
    }
    return value
  }
}
