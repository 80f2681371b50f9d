/// A program of awk: patterns and actions over fields, without loops and arrays.
struct AwkProgram {
  indirect enum Expression {
    case number(Double)
    case text(String)
    case variable(String)
    case field(Expression)
    case matches(Expression?, RegularExpression)
    case unary(String, Expression)
    case binary(String, Expression, Expression)
    case either(Expression, Expression, Expression)
    case assign(Expression, String, Expression)
    /// `++`, `--`; what it is before or after.
    case step(Expression, by: Double, isPrefix: Bool)
    case call(String, [Expression])
    /// `sub(/RE/, TEXT, TARGET)`, `gsub`
    case substitute(RegularExpression, Expression, Expression, all: Bool)
  }

  indirect enum Statement {
    case print([Expression])
    case format([Expression])
    case expression(Expression)
    case branch(Expression, [Statement], [Statement])
    case next, exit
  }

  enum Pattern {
    case begin, end, always
    case when(Expression)
  }

  private(set) var rules: [(pattern: Pattern, action: [Statement])] = []
  private(set) var variables: [String: String] = [:]
  private(set) var files: [String] = []

  /// From awk's words; nil for a program that is not known.
  init?(_ call: ShellCall) {
    var words: [String] = []
    var rest = call.arguments[...]
    while let word = rest.popFirst() {
      if word.hasPrefix("-F") {
        let mark = word.count > 2 ? String(word.dropFirst(2)) : rest.popFirst() ?? " "
        variables["FS"] = ShellTool.escaped(mark)
      } else if word == "-v" {
        guard let pair = rest.popFirst()?.split(separator: "=", maxSplits: 1), pair.count > 0 else {
          return nil
        }
        variables[String(pair[0])] = pair.count > 1 ? String(pair[1]) : ""
      } else {
        words.append(word)
      }
    }
    guard !words.isEmpty else { return nil }
    var reader = AwkReader(words.removeFirst())
    guard let rules = reader.rules() else { return nil }
    self.rules = rules
    files = words
  }

  func run(_ lines: [String], _ budget: inout ShellBudget) -> (output: String, status: Int) {
    var machine = AwkMachine(variables: variables, budget: budget)
    let status = machine.run(rules, lines)
    budget = machine.budget
    return (machine.output, status)
  }
}
