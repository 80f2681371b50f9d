/// `test` and `[`: an expression over files, strings and numbers.
struct ShellTest {
  struct Failure: Error {
    let message: String
  }

  private var words: ArraySlice<String>
  /// What a file is; nil where none is.
  private let file: (String) -> ShellFile?
  private var depth = 0

  static func value(
    _ words: [String], file: @escaping (String) -> ShellFile?
  ) throws(Failure) -> Bool {
    var test = ShellTest(words: words[...], file: file)
    guard let first = words.first else { return false }
    // A word that stands alone is a word.
    if words.count == 1 { return !first.isEmpty }
    let value = try test.either()
    if let rest = test.words.first {
      throw Failure(message: "\(rest): unexpected operator")
    }
    return value
  }

  private init(words: ArraySlice<String>, file: @escaping (String) -> ShellFile?) {
    self.words = words
    self.file = file
  }

  private mutating func take(_ word: String) -> Bool {
    guard words.first == word else { return false }
    words.removeFirst()
    return true
  }

  private mutating func either() throws(Failure) -> Bool {
    var value = try both()
    while take("-o") { value = try both() || value }
    return value
  }

  private mutating func both() throws(Failure) -> Bool {
    var value = try primary()
    while take("-a") { value = try primary() && value }
    return value
  }

  private mutating func primary() throws(Failure) -> Bool {
    var negated = false
    // `! = x` compares.
    while words.count > 1, !isComparison(after: 1), take("!") { negated.toggle() }
    let value = try operand()
    return value != negated
  }

  private static let comparisons: Set<String> = [
    "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
  ]

  private func isComparison(after distance: Int) -> Bool {
    words.count > distance + 1 && Self.comparisons.contains(words[words.startIndex + distance])
  }

  private mutating func operand() throws(Failure) -> Bool {
    guard let word = words.popFirst() else { throw Failure(message: "argument expected") }
    if words.count > 1, let sign = words.first, Self.comparisons.contains(sign) {
      words.removeFirst()
      return try compare(word, sign, words.removeFirst())
    }
    if word == "(" {
      depth += 1
      defer { depth -= 1 }
      guard depth <= 32 else { throw Failure(message: "nested too deep") }
      let value = try either()
      guard take(")") else { throw Failure(message: "closing paren expected") }
      return value
    }
    if word.hasPrefix("-"), word.count == 2, let letter = word.last, let subject = words.first {
      guard let value = try unary(letter, subject) else {
        throw Failure(message: "\(word): unexpected operator")
      }
      words.removeFirst()
      return value
    }
    return !word.isEmpty
  }

  private func unary(_ letter: Character, _ subject: String) throws(Failure) -> Bool? {
    switch letter {
    case "n": return !subject.isEmpty
    case "z": return subject.isEmpty
    case "e": return file(subject) != nil
    case "r", "w": return file(subject) != nil
    case "x": return file(subject)?.isExecutable ?? false
    case "f": return file(subject)?.kind == .regular
    case "d": return file(subject)?.kind == .directory
    case "b": return file(subject)?.kind == .block
    case "c": return file(subject)?.kind == .character
    case "h", "L", "p", "S", "u", "g", "k", "t": return false
    case "s": return (file(subject)?.size ?? 0) > 0
    default: return nil
    }
  }

  private func compare(_ left: String, _ sign: String, _ right: String) throws(Failure) -> Bool {
    switch sign {
    case "=", "==": return left == right
    case "!=": return left != right
    case "<": return Array(left.utf8).lexicographicallyPrecedes(Array(right.utf8))
    case ">": return Array(right.utf8).lexicographicallyPrecedes(Array(left.utf8))
    // Files of a scenario are all of one moment.
    case "-nt", "-ot": return false
    case "-ef": return left == right && file(left) != nil
    default: break
    }
    let (first, second) = (try Self.number(left), try Self.number(right))
    switch sign {
    case "-eq": return first == second
    case "-ne": return first != second
    case "-lt": return first < second
    case "-le": return first <= second
    case "-gt": return first > second
    default: return first >= second
    }
  }

  private static func number(_ text: String) throws(Failure) -> Int64 {
    guard let value = Int64(text.drop { $0 == " " }) else {
      throw Failure(message: "Illegal number: \(text)")
    }
    return value
  }
}
