/// `$((…))`: whole numbers, + - * / %, parentheses and variables.
struct ShellArithmetic {
  private let text: [Character]
  private var position = 0
  private var depth = 0
  private let variable: (String) -> String

  /// - Returns: 0 for what is no expression, or a division by 0.
  static func value(_ text: String, _ variable: @escaping (String) -> String) -> Int64 {
    var reader = ShellArithmetic(
      text: Array(text.filter { $0 != " " && $0 != "$" }), variable: variable)
    return reader.sum()
  }

  private init(text: [Character], variable: @escaping (String) -> String) {
    self.text = text
    self.variable = variable
  }

  private var peek: Character? { position < text.count ? text[position] : nil }

  private mutating func sum() -> Int64 {
    var value = product()
    while let sign = peek, sign == "+" || sign == "-" {
      position += 1
      let other = product()
      value = sign == "+" ? value &+ other : value &- other
    }
    return value
  }

  private mutating func product() -> Int64 {
    var value = factor()
    while let sign = peek, sign == "*" || sign == "/" || sign == "%" {
      position += 1
      let other = factor()
      switch sign {
      case "*": value = value &* other
      case "/": value = other == 0 ? 0 : value.dividedReportingOverflow(by: other).partialValue
      default:
        value = other == 0 ? 0 : value.remainderReportingOverflow(dividingBy: other).partialValue
      }
    }
    return value
  }

  private mutating func factor() -> Int64 {
    depth += 1
    defer { depth -= 1 }
    guard let first = peek, depth < 32 else { return 0 }
    if first == "(" {
      position += 1
      let value = sum()
      if peek == ")" { position += 1 }
      return value
    }
    if first == "-" {
      position += 1
      return 0 &- factor()
    }
    var word = ""
    while let next = peek, next.isASCII, next.isLetter || next.isNumber || next == "_" {
      word.append(next)
      position += 1
    }
    if word.isEmpty {
      position += 1
      return 0
    }
    return Words.number(word) ?? Words.number(variable(word)) ?? 0
  }
}
