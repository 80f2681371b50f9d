/// A script of sed: substitutions, print, delete, quit, with addresses.
struct SedScript {
  private enum Address {
    case line(Int)
    case last
    case matching(RegularExpression)
  }

  private enum Action {
    case substitute(RegularExpression, with: [Piece], all: Bool, prints: Bool, number: Int)
    case print, delete, quit, number
    case translate([Unicode.Scalar: Unicode.Scalar])
  }

  /// Of what stands for a match: text, or a group.
  private enum Piece {
    case text(String)
    case group(Int)
  }

  private struct Command {
    var first: Address?
    var last: Address?
    var isNegated = false
    var action = Action.print
  }

  private var commands: [Command] = []
  private var prints = true
  private(set) var files: [String] = []

  /// From sed's words; nil for a script that is not known.
  init?(_ call: ShellCall) {
    var scripts: [String] = []
    var words: [String] = []
    var extended = false
    var rest = call.arguments[...]
    while let word = rest.popFirst() {
      switch word {
      case "-n", "--quiet", "--silent": prints = false
      case "-E", "-r": extended = true
      case "-ne", "-e", "--expression":
        if word == "-ne" { prints = false }
        guard let script = rest.popFirst() else { return nil }
        scripts.append(script)
      case "-nE", "-nr", "-En":
        prints = false
        extended = true
      default:
        // -i and its kin change files.
        if word.hasPrefix("-"), word != "-" { return nil }
        words.append(word)
      }
    }
    if scripts.isEmpty {
      guard !words.isEmpty else { return nil }
      scripts = [words.removeFirst()]
    }
    files = words
    var reader = Reader(
      text: Array(scripts.joined(separator: "\n").unicodeScalars), extended: extended)
    guard let commands = reader.commands() else { return nil }
    self.commands = commands
  }

  /// A pattern in which every character stands for itself.
  static func quoted(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if "\\.[]*^$".unicodeScalars.contains(scalar) { result += "\\" }
      result.unicodeScalars.append(scalar)
    }
    return result
  }

  /// Whether no letter stands before or behind a match.
  static func isWord(_ match: RegularExpression.Match, in text: [Unicode.Scalar]) -> Bool {
    (match[0] == 0 || !ShellParser.isNamePart(text[match[0] - 1]))
      && (match[1] == text.count || !ShellParser.isNamePart(text[match[1]]))
  }

  // MARK: Running

  func run(_ lines: [String], _ budget: inout ShellBudget) -> (output: String, status: Int) {
    var output = ""
    var open = Array(repeating: false, count: commands.count)
    for (index, line) in lines.enumerated() {
      var space = Array(line.unicodeScalars)
      var isDeleted = false
      var quits = false
      for (number, command) in commands.enumerated() {
        guard budget.spend(space.count + 1) else { return (output, 2) }
        let isLast = index == lines.count - 1
        guard
          Self.applies(command, index + 1, isLast, space, &open[number], &budget)
            != command.isNegated
        else { continue }
        switch command.action {
        case .print: output += Self.text(space) + "\n"
        case .number: output += "\(index + 1)\n"
        case .delete: isDeleted = true
        case .quit: quits = true
        case .translate(let table): space = space.map { table[$0] ?? $0 }
        case .substitute(let expression, let pieces, let all, let prints, let nth):
          let changed = Self.substitute(
            &space, expression, pieces, all: all, nth: nth, &budget)
          if changed, prints { output += Self.text(space) + "\n" }
        }
        if isDeleted || quits { break }
      }
      if prints, !isDeleted { output += Self.text(space) + "\n" }
      if quits { break }
      if output.utf8.count > ShellState.valueLimit {
        budget.fail("more than 1 MiB is printed")
        return ("", 2)
      }
    }
    return (output, 0)
  }

  private static func text(_ scalars: [Unicode.Scalar]) -> String {
    String(String.UnicodeScalarView(scalars))
  }

  private static func applies(
    _ command: Command, _ line: Int, _ isLast: Bool, _ space: [Unicode.Scalar],
    _ isOpen: inout Bool, _ budget: inout ShellBudget
  ) -> Bool {
    func fits(_ address: Address) -> Bool {
      switch address {
      case .line(let number): return number == line
      case .last: return isLast
      case .matching(let expression):
        guard budget.spend(expression.cost * (space.count + 1) * 4) else { return false }
        return expression.firstMatch(in: space) != nil
      }
    }
    guard let first = command.first else { return true }
    guard let last = command.last else { return fits(first) }
    if isOpen {
      if case .line(let number) = last, number < line {
        isOpen = false
      } else {
        isOpen = !fits(last)
        return true
      }
    }
    guard fits(first) else { return false }
    if case .line(let number) = last, number <= line { return true }
    isOpen = true
    return true
  }

  private static func substitute(
    _ space: inout [Unicode.Scalar], _ expression: RegularExpression, _ pieces: [Piece],
    all: Bool, nth: Int, _ budget: inout ShellBudget
  ) -> Bool {
    var result: [Unicode.Scalar] = []
    var place = 0
    var found = 0
    var changed = false
    while place <= space.count {
      guard budget.spend(expression.cost * (space.count - place + 1) * 4),
        let match = expression.firstMatch(in: space, from: place)
      else { break }
      result += space[place..<match[0]]
      found += 1
      if found >= nth {
        changed = true
        for piece in pieces {
          switch piece {
          case .text(let text): result += Array(text.unicodeScalars)
          case .group(let number):
            if 2 * number + 1 < match.count, match[2 * number] >= 0 {
              result += space[match[2 * number]..<match[2 * number + 1]]
            }
          }
        }
      } else {
        result += space[match[0]..<match[1]]
      }
      place = match[1]
      if match[0] == match[1] {
        if place < space.count { result.append(space[place]) }
        place += 1
      }
      guard budget.spend(result.count), result.count <= ShellState.valueLimit else { return false }
      if changed, !all { break }
    }
    if place < space.count { result += space[place...] }
    if changed { space = result }
    return changed
  }

  // MARK: Reading

  private struct Reader {
    let text: [Unicode.Scalar]
    let extended: Bool
    var position = 0

    init(text: [Unicode.Scalar], extended: Bool) {
      self.text = text
      self.extended = extended
    }

    private var peek: Unicode.Scalar? { position < text.count ? text[position] : nil }

    private mutating func skip(_ these: String) {
      while let next = peek, these.unicodeScalars.contains(next) { position += 1 }
    }

    mutating func commands() -> [Command]? {
      var commands: [Command] = []
      skip(" ;\n")
      while peek != nil {
        guard commands.count < 256, let command = command() else { return nil }
        commands.append(command)
        skip(" \t")
        guard peek == nil || peek == ";" || peek == "\n" else { return nil }
        skip(" ;\n\t")
      }
      return commands
    }

    private mutating func command() -> Command? {
      var command = Command()
      if let sign = peek, sign == "$" || sign == "/" || sign == "\\" || ("0"..."9").contains(sign) {
        guard let first = address() else { return nil }
        command.first = first
        if peek == "," {
          position += 1
          guard let last = address() else { return nil }
          command.last = last
        }
      }
      skip(" ")
      if peek == "!" {
        command.isNegated = true
        position += 1
        skip(" ")
      }
      guard let verb = peek else { return nil }
      position += 1
      switch verb {
      case "p": command.action = .print
      case "d": command.action = .delete
      case "q": command.action = .quit
      case "=": command.action = .number
      case "s":
        guard let action = substitution() else { return nil }
        command.action = action
      case "y":
        guard let mark = mark(), let from = part(mark), let to = part(mark) else { return nil }
        let (left, right) = (Array(from.unicodeScalars), Array(to.unicodeScalars))
        guard left.count == right.count else { return nil }
        command.action = .translate(Dictionary(zip(left, right)) { one, _ in one })
      default: return nil
      }
      return command
    }

    private mutating func address() -> Address? {
      guard let sign = peek else { return nil }
      if sign == "$" {
        position += 1
        return .last
      }
      if sign == "/" {
        position += 1
        return part("/").flatMap { RegularExpression($0, extended: extended) }.map(
          Address.matching)
      }
      var number = 0
      while let digit = peek, ("0"..."9").contains(digit) {
        number = min(1 << 30, number * 10 + Int(digit.value - 48))
        position += 1
      }
      return number > 0 ? .line(number) : nil
    }

    private mutating func mark() -> Unicode.Scalar? {
      defer { position += 1 }
      return peek.flatMap { $0 == "\n" || $0 == "\\" ? nil : $0 }
    }

    /// Text up to the mark, which a backslash protects.
    private mutating func part(_ mark: Unicode.Scalar) -> String? {
      var result = String.UnicodeScalarView()
      while let next = peek, next != mark {
        position += 1
        if next == "\\", let escaped = peek {
          position += 1
          if escaped != mark { result.append("\\") }
          result.append(escaped)
        } else {
          result.append(next)
        }
      }
      guard peek == mark else { return nil }
      position += 1
      return String(result)
    }

    private mutating func substitution() -> Action? {
      guard let mark = mark(), let pattern = part(mark), let text = part(mark) else { return nil }
      var all = false
      var prints = false
      var ignoresCase = false
      var number = 0
      while let flag = peek, "gpiI0123456789".unicodeScalars.contains(flag) {
        position += 1
        switch flag {
        case "g": all = true
        case "p": prints = true
        case "i", "I": ignoresCase = true
        default: number = min(9999, number * 10 + Int(flag.value - 48))
        }
      }
      guard
        let expression = RegularExpression(
          pattern, extended: extended, ignoresCase: ignoresCase)
      else { return nil }
      return .substitute(
        expression, with: pieces(text), all: all, prints: prints, number: max(1, number))
    }

    private func pieces(_ text: String) -> [Piece] {
      var pieces: [Piece] = []
      var rest = text.unicodeScalars[...]
      while let next = rest.popFirst() {
        if next == "&" {
          pieces.append(.group(0))
        } else if next == "\\", let escaped = rest.popFirst() {
          if let number = Int(String(escaped)) {
            pieces.append(.group(number))
          } else {
            pieces.append(.text(escaped == "n" ? "\n" : escaped == "t" ? "\t" : String(escaped)))
          }
        } else {
          pieces.append(.text(String(next)))
        }
      }
      return pieces
    }
  }
}
