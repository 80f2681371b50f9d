/// Runs awk's rules over lines.
struct AwkMachine {
  typealias Expression = AwkProgram.Expression
  typealias Statement = AwkProgram.Statement

  /// A value is text that may look like a number, or a number.
  private enum Value {
    case number(Double)
    case text(String, isInput: Bool)
  }

  private enum Leaving { case next, exit }

  static let functions: Set<String> = [
    "length", "substr", "index", "toupper", "tolower", "int", "sprintf", "strtonum",
  ]

  var budget: ShellBudget
  private(set) var output = ""
  private var variables: [String: Value] = [:]
  private var line = ""
  private var fields: [String] = []
  private var leaving: Leaving?

  init(variables: [String: String], budget: ShellBudget) {
    self.budget = budget
    self.variables = variables.mapValues { .text($0, isInput: true) }
  }

  mutating func run(
    _ rules: [(pattern: AwkProgram.Pattern, action: [Statement])], _ lines: [String]
  ) -> Int {
    for rule in rules { if case .begin = rule.pattern { run(rule.action) } }
    let reads = rules.contains { if case .begin = $0.pattern { false } else { true } }
    for (index, line) in lines.enumerated() where reads {
      if leaving != nil || !budget.spend(line.utf8.count * 2 + 16) { break }
      set(line: line)
      variables["NR"] = .number(Double(index + 1))
      for rule in rules where leaving == nil {
        switch rule.pattern {
        case .begin, .end: continue
        case .always: run(rule.action)
        case .when(let condition): if isTrue(value(condition)) { run(rule.action) }
        }
      }
      if leaving == .next { leaving = nil }
      if output.utf8.count > ShellState.valueLimit { budget.fail("more than 1 MiB is printed") }
    }
    leaving = nil
    for rule in rules { if case .end = rule.pattern { run(rule.action) } }
    return budget.isSpent ? 2 : 0
  }

  // MARK: Fields

  private mutating func set(line: String) {
    self.line = line
    let separator = text(variables["FS"] ?? .text(" ", isInput: false))
    if separator == " " {
      fields = line.split { $0 == " " || $0 == "\t" }.map(String.init)
    } else if separator.unicodeScalars.count == 1, let mark = separator.first {
      fields = line.split(separator: mark, omittingEmptySubsequences: false).map(String.init)
    } else {
      fields = parts(line, separator)
    }
  }

  /// The line, parted by a regular expression.
  private mutating func parts(_ line: String, _ separator: String) -> [String] {
    let scalars = Array(line.unicodeScalars)
    guard let expression = RegularExpression(separator, extended: true) else { return [line] }
    var result: [String] = []
    var start = 0
    while budget.spend(expression.cost * (scalars.count + 1) * 4),
      let match = expression.firstMatch(in: scalars, from: start), match[1] > match[0]
    {
      result.append(String(String.UnicodeScalarView(scalars[start..<match[0]])))
      start = match[1]
    }
    return result + [String(String.UnicodeScalarView(scalars[start...]))]
  }

  private func field(_ number: Double) -> String {
    if number == 0 { return line }
    guard number >= 1, number <= Double(fields.count) else { return "" }
    return fields[Int(number) - 1]
  }

  private mutating func store(_ value: Value, in target: Expression) {
    switch target {
    case .variable(let name): variables[name] = value
    case .field(let which):
      let number = number(self.value(which))
      if number == 0 {
        set(line: text(value))
      } else if number >= 1, number <= 1024 {
        while fields.count < Int(number) { fields.append("") }
        fields[Int(number) - 1] = text(value)
        line = fields.joined(separator: " ")
      }
    default: break
    }
  }

  // MARK: Statements

  private mutating func run(_ statements: [Statement]) {
    for statement in statements where leaving == nil && budget.spend(1) {
      switch statement {
      case .print(let items):
        let texts = items.map { text(value($0)) }
        let separator = text(variables["OFS"] ?? .text(" ", isInput: false))
        output += (items.isEmpty ? line : texts.joined(separator: separator)) + "\n"
      case .format(let items): output += format(items)
      case .expression(let expression): _ = value(expression)
      case .branch(let condition, let body, let otherwise):
        run(isTrue(value(condition)) ? body : otherwise)
      case .next: leaving = .next
      case .exit: leaving = .exit
      }
    }
    _ = budget.spend(min(output.utf8.count, 4096))
  }

  private mutating func format(_ items: [Expression]) -> String {
    let words = items.map { text(value($0)) }
    guard let format = words.first else { return "" }
    // awk's printf does not begin its format again.
    let marks = format.replacing("%%", with: "").count { $0 == "%" }
    return ShellTool.printf(Array(words.prefix(marks + 1)), &budget).output
  }

  // MARK: Values

  private func number(_ value: Value) -> Double {
    switch value {
    case .number(let number): number
    case .text(let text, _): Self.prefix(text) ?? 0
    }
  }

  /// The number that a text begins with.
  private static func prefix(_ text: String) -> Double? {
    var digits = ""
    for next in text.drop(while: { $0 == " " || $0 == "\t" }) {
      let isSign = (next == "-" || next == "+") && digits.isEmpty
      guard isSign || next.isASCII && next.isNumber || next == "." && !digits.contains(".") else {
        break
      }
      digits.append(next)
    }
    return Double(digits)
  }

  private func text(_ value: Value) -> String {
    switch value {
    case .text(let text, _): return text
    case .number(let number):
      if let whole = Int64(exactly: number) { return String(whole) }
      return number.isFinite ? String(number) : number.isNaN ? "nan" : number > 0 ? "inf" : "-inf"
    }
  }

  private func isTrue(_ value: Value) -> Bool {
    switch value {
    case .number(let number): number != 0
    case .text(let text, let isInput):
      isInput && Double(text) != nil ? Double(text) != 0 : !text.isEmpty
    }
  }

  /// A number, if the value is one or is input that looks like one.
  private func comparable(_ value: Value) -> Double? {
    switch value {
    case .number(let number): number
    case .text(let text, let isInput): isInput ? Double(text) : nil
    }
  }

  private mutating func value(_ expression: Expression) -> Value {
    guard budget.spend(1) else { return .number(0) }
    switch expression {
    case .number(let number): return .number(number)
    case .text(let text): return .text(text, isInput: false)
    case .variable("NF"): return .number(Double(fields.count))
    case .variable(let name): return variables[name] ?? .text("", isInput: true)
    case .field(let which): return .text(field(number(value(which))), isInput: true)
    case .matches(let subject, let expression):
      let scalars = Array((subject.map { text(value($0)) } ?? line).unicodeScalars)
      guard budget.spend(expression.cost * (scalars.count + 1) * 4) else { return .number(0) }
      return .number(expression.firstMatch(in: scalars) == nil ? 0 : 1)
    case .unary(let sign, let operand):
      let value = value(operand)
      return .number(
        sign == "!" ? (isTrue(value) ? 0 : 1) : sign == "-" ? -number(value) : number(value))
    case .either(let condition, let first, let second):
      return isTrue(value(condition)) ? value(first) : value(second)
    case .binary(let sign, let left, let right): return binary(sign, left, right)
    case .assign(let target, let sign, let right):
      var new = value(right)
      if !sign.isEmpty { new = .number(Self.compute(sign, number(value(target)), number(new))) }
      store(new, in: target)
      return new
    case .step(let target, let step, let isPrefix):
      let old = number(value(target))
      store(.number(old + step), in: target)
      return .number(isPrefix ? old + step : old)
    case .call(let name, let arguments): return call(name, arguments.map { value($0) })
    case .substitute(let expression, let replacement, let target, let all):
      return substitute(expression, text(value(replacement)), target, all: all)
    }
  }

  private mutating func binary(_ sign: String, _ left: Expression, _ right: Expression) -> Value {
    let first = value(left)
    if sign == "&&" { return .number(isTrue(first) && isTrue(value(right)) ? 1 : 0) }
    if sign == "||" { return .number(isTrue(first) || isTrue(value(right)) ? 1 : 0) }
    let second = value(right)
    if sign == " " {
      let whole = text(first) + text(second)
      guard whole.utf8.count <= ShellState.valueLimit, budget.spend(whole.utf8.count) else {
        budget.fail("a value is longer than 1 MiB")
        return .number(0)
      }
      return .text(whole, isInput: false)
    }
    guard ["<=", ">=", "==", "!=", "<", ">"].contains(sign) else {
      return .number(Self.compute(sign, number(first), number(second)))
    }
    var order = 0
    if let one = comparable(first), let other = comparable(second) {
      order = one < other ? -1 : one == other ? 0 : 1
    } else {
      let (one, other) = (text(first), text(second))
      order = one == other ? 0 : one.utf8.lexicographicallyPrecedes(other.utf8) ? -1 : 1
    }
    let holds =
      switch sign {
      case "<=": order <= 0
      case ">=": order >= 0
      case "==": order == 0
      case "!=": order != 0
      case "<": order < 0
      default: order > 0
      }
    return .number(holds ? 1 : 0)
  }

  private static func compute(_ sign: String, _ left: Double, _ right: Double) -> Double {
    switch sign {
    case "+": left + right
    case "-": left - right
    case "*": left * right
    case "/": right == 0 ? 0 : left / right
    default: right == 0 ? 0 : left.truncatingRemainder(dividingBy: right)
    }
  }

  private mutating func call(_ name: String, _ arguments: [Value]) -> Value {
    let subject = arguments.first.map { text($0) } ?? line
    switch name {
    case "length": return .number(Double(subject.unicodeScalars.count))
    case "int": return .number(arguments.first.map { number($0).rounded(.towardZero) } ?? 0)
    case "strtonum": return .number(Double(Words.number(subject) ?? 0))
    case "toupper": return .text(subject.uppercased(), isInput: false)
    case "tolower": return .text(subject.lowercased(), isInput: false)
    case "index":
      guard arguments.count > 1, let found = subject.firstRange(of: text(arguments[1])) else {
        return .number(0)
      }
      return .number(
        Double(subject.unicodeScalars.distance(from: subject.startIndex, to: found.lowerBound) + 1))
    case "substr":
      let scalars = subject.unicodeScalars
      func place(_ index: Int, _ missing: Double) -> Double {
        index < arguments.count ? number(arguments[index]).rounded() : missing
      }
      let count = Double(scalars.count)
      let start = place(1, 1)
      let end = min(count, start + place(2, count + 1) - 1)
      let low = max(1, start)
      guard low <= end else { return .text("", isInput: false) }
      return .text(
        String(scalars.dropFirst(Int(low) - 1).prefix(Int(end - low) + 1)), isInput: false)
    default:
      return .text(
        format(arguments.map { .text(text($0)) }), isInput: false)
    }
  }

  private mutating func substitute(
    _ expression: RegularExpression, _ replacement: String, _ target: Expression, all: Bool
  ) -> Value {
    let old = Array(text(value(target)).unicodeScalars)
    var result = String.UnicodeScalarView()
    var place = 0
    var count = 0
    while place <= old.count, budget.spend(expression.cost * (old.count - place + 1) * 4),
      let match = expression.firstMatch(in: old, from: place)
    {
      result += old[place..<match[0]]
      let matched = String(String.UnicodeScalarView(old[match[0]..<match[1]]))
      result += replacement.replacing("&", with: matched).unicodeScalars
      count += 1
      place = match[1]
      if match[0] == match[1] {
        if place < old.count { result.append(old[place]) }
        place += 1
      }
      guard result.count <= ShellState.valueLimit, budget.spend(result.count), all else { break }
    }
    if place < old.count { result += old[place...] }
    if count > 0 { store(.text(String(result), isInput: true), in: target) }
    return .number(Double(count))
  }
}
