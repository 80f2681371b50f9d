/// A line's words, taken one after the other; every failure says what was expected.
struct Words {
  struct Failure: Error {
    let expected: String
  }

  private var rest: ArraySlice<Substring>

  init(_ text: some StringProtocol) {
    rest = Substring(text).split(separator: " ")[...]
  }

  var isEmpty: Bool { rest.isEmpty }

  /// How many words are left.
  var count: Int { rest.count }

  mutating func next(_ what: String) throws(Failure) -> String {
    guard let word = rest.popFirst() else { throw Failure(expected: "expected \(what)") }
    return String(word)
  }

  mutating func number(_ what: String) throws(Failure) -> Int64 {
    let word = try next(what)
    guard let value = Self.number(word) else {
      throw Failure(expected: "expected \(what), a number (4096, 0x1000), not \"\(word)\"")
    }
    return value
  }

  mutating func part() throws(Failure) -> Part {
    Part(offset: try number("an offset"), length: try number("a length"))
  }

  mutating func choice<T: RawRepresentable & CaseIterable>(
    _ what: String, of type: T.Type
  ) throws(Failure) -> T where T.RawValue == String {
    let names = T.allCases.map(\.rawValue).joined(separator: "|")
    let word = try next("\(what) (\(names))")
    guard let value = T(rawValue: word) else {
      throw Failure(expected: "expected \(what) (\(names)), not \"\(word)\"")
    }
    return value
  }

  mutating func actor(_ what: String) throws(Failure) -> Actor {
    let word = try next(what)
    guard word.count == 1, let letter = word.first, let actor = Actor(letter: letter) else {
      throw Failure(expected: "expected \(what), a letter A to H, not \"\(word)\"")
    }
    return actor
  }

  /// A mapping's name, as the probe on a real machine can keep it.
  mutating func mapName() throws(Failure) -> String {
    let word = try next("a mapping's name")
    guard word.utf8.count <= 15 else {
      throw Failure(expected: "expected a mapping's name of at most 15 characters, not \"\(word)\"")
    }
    return word
  }

  func end() throws(Failure) {
    guard let word = rest.first else { return }
    throw Failure(expected: "expected the end of the line, not \"\(word)\"")
  }

  /// As strtoll with base 0 reads it: decimal, 0x hex or 0 octal, and a sign.
  static func number(_ text: some StringProtocol) -> Int64? {
    var digits = Substring(text)
    var negative = false
    if digits.hasPrefix("-") {
      negative = true
      digits = digits.dropFirst()
    }
    var radix = 10
    if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
      radix = 16
      digits = digits.dropFirst(2)
    } else if digits.hasPrefix("0"), digits.count > 1 {
      radix = 8
      digits = digits.dropFirst()
    }
    guard let first = digits.first, first != "-", first != "+" else { return nil }
    if negative { return Int64("-" + digits, radix: radix) }
    return Int64(digits, radix: radix)
  }
}
