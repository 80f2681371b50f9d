/// A POSIX regular expression, basic or extended, as grep, sed and awk read it.
///
/// It is run as a set of states (Thompson, 1968; Pike's captures): the cost is that of the pattern's length times the text's,
/// whatever the pattern is. Of several matches at one place the first alternative, and the longest repetition, wins. Back
/// references are not known. One that is no expression is nil.
struct RegularExpression {
  /// Where a match and its groups are; -1 for a group that took no part.
  typealias Match = [Int]

  private indirect enum Node {
    case scalars([ClosedRange<UInt32>], negated: Bool)
    case start, end
    case sequence([Node])
    case either([Node])
    case group(Int, Node)
    case repeated(Node, from: Int, upTo: Int?)
  }

  private enum Instruction {
    case scalars([ClosedRange<UInt32>], negated: Bool)
    case start, end
    case split(Int, Int)
    case jump(Int)
    case save(Int)
    case match
  }

  /// What a pattern may come to: `(a{99}){99}` is refused.
  private static let sizeLimit = 4096

  private var program: [Instruction] = []
  private let groups: Int

  init?(_ pattern: String, extended: Bool, ignoresCase: Bool = false) {
    var reader = Reader(
      text: Array(pattern.unicodeScalars), extended: extended, ignoresCase: ignoresCase)
    guard let node = reader.alternatives(depth: 0), reader.isAtEnd else { return nil }
    groups = reader.groups
    program.append(.save(0))
    guard emit(node) else { return nil }
    program += [.save(1), .match]
  }

  private mutating func emit(_ node: Node) -> Bool {
    guard program.count < Self.sizeLimit else { return false }
    switch node {
    case .scalars(let ranges, let negated): program.append(.scalars(ranges, negated: negated))
    case .start: program.append(.start)
    case .end: program.append(.end)
    case .sequence(let nodes): for one in nodes { guard emit(one) else { return false } }
    case .group(let number, let inner):
      program.append(.save(2 * number))
      guard emit(inner) else { return false }
      program.append(.save(2 * number + 1))
    case .either(let nodes):
      var ends: [Int] = []
      for (index, one) in nodes.enumerated() {
        let split = program.count
        let isLast = index == nodes.count - 1
        if !isLast { program.append(.split(split + 1, 0)) }
        guard emit(one) else { return false }
        if !isLast {
          ends.append(program.count)
          program.append(.jump(0))
          program[split] = .split(split + 1, program.count)
        }
      }
      for end in ends { program[end] = .jump(program.count) }
    case .repeated(let inner, let from, let upTo):
      for _ in 0..<from { guard emit(inner) else { return false } }
      guard let upTo else {
        let split = program.count
        program.append(.split(split + 1, 0))
        guard emit(inner) else { return false }
        program.append(.jump(split))
        program[split] = .split(split + 1, program.count)
        return true
      }
      var splits: [Int] = []
      for _ in 0..<max(0, upTo - from) {
        splits.append(program.count)
        program.append(.split(program.count + 1, 0))
        guard emit(inner) else { return false }
      }
      for split in splits { program[split] = .split(split + 1, program.count) }
    }
    return program.count < Self.sizeLimit
  }

  /// What one scalar of a text may cost, in states.
  var cost: Int { program.count }

  // MARK: Matching

  /// States that live at one place of the text, in the order of preference.
  private struct Threads {
    var list: [(state: Int, saved: Match)] = []
    var isIn: [Bool]
  }

  /// The first match in `text` from `start` on; offsets in scalars.
  func firstMatch(in text: [Unicode.Scalar], from start: Int = 0) -> Match? {
    var current = Threads(isIn: Array(repeating: false, count: program.count))
    var found: Match?
    var place = start
    while true {
      if found == nil {
        add(0, Array(repeating: -1, count: 2 * groups + 2), place, text, &current)
      }
      if current.list.isEmpty { break }
      var next = Threads(isIn: Array(repeating: false, count: program.count))
      loop: for (state, saved) in current.list {
        switch program[state] {
        case .scalars(let ranges, let negated):
          guard place < text.count,
            ranges.contains(where: { $0.contains(text[place].value) }) != negated
          else { continue }
          add(state + 1, saved, place + 1, text, &next)
        case .match:
          found = saved
          break loop
        default: continue
        }
      }
      current = next
      place += 1
      if place > text.count { break }
    }
    return found
  }

  /// Follows what takes no scalar, without recursion.
  private func add(
    _ state: Int, _ saved: Match, _ place: Int, _ text: [Unicode.Scalar], _ threads: inout Threads
  ) {
    var open = [(state, saved)]
    while let (state, saved) = open.popLast() {
      if threads.isIn[state] { continue }
      threads.isIn[state] = true
      switch program[state] {
      case .jump(let target): open.append((target, saved))
      case .split(let first, let second):
        open.append((second, saved))
        open.append((first, saved))
      case .save(let slot):
        var changed = saved
        changed[slot] = place
        open.append((state + 1, changed))
      case .start: if place == 0 { open.append((state + 1, saved)) }
      case .end: if place == text.count { open.append((state + 1, saved)) }
      case .scalars, .match: threads.list.append((state, saved))
      }
    }
  }

  // MARK: Reading

  private struct Reader {
    let text: [Unicode.Scalar]
    let extended: Bool
    let ignoresCase: Bool
    var position = 0
    var groups = 0

    init(text: [Unicode.Scalar], extended: Bool, ignoresCase: Bool) {
      self.text = text
      self.extended = extended
      self.ignoresCase = ignoresCase
    }

    var isAtEnd: Bool { position == text.count }

    /// Whether the operator comes next: bare in an extended expression, behind a backslash in a basic one.
    private func isNext(_ sign: Unicode.Scalar) -> Bool {
      guard position < text.count else { return false }
      if extended { return text[position] == sign }
      return text[position] == "\\" && position + 1 < text.count && text[position + 1] == sign
    }

    private mutating func take(_ sign: Unicode.Scalar) -> Bool {
      guard isNext(sign) else { return false }
      position += extended ? 1 : 2
      return true
    }

    mutating func alternatives(depth: Int) -> Node? {
      guard depth < 32 else { return nil }
      var nodes: [Node] = []
      repeat {
        guard let node = sequence(depth: depth) else { return nil }
        nodes.append(node)
      } while take("|")
      return nodes.count == 1 ? nodes[0] : .either(nodes)
    }

    private mutating func sequence(depth: Int) -> Node? {
      var nodes: [Node] = []
      while position < text.count, !isNext("|"), depth == 0 || !isNext(")") {
        guard var node = atom(depth: depth, isFirst: nodes.isEmpty) else { return nil }
        var height = 0
        while let (from, upTo) = repetition() {
          height += 1
          guard height <= 8, from <= 255, (upTo ?? 0) <= 255, upTo.map({ $0 >= from }) != false
          else { return nil }
          node = .repeated(node, from: from, upTo: upTo)
        }
        nodes.append(node)
      }
      return .sequence(nodes)
    }

    private mutating func repetition() -> (from: Int, upTo: Int?)? {
      guard position < text.count else { return nil }
      if text[position] == "*" {
        while position < text.count, text[position] == "*" { position += 1 }
        return (0, nil)
      }
      if take("+") { return (1, nil) }
      if take("?") { return (0, 1) }
      let start = position
      guard take("{") else { return nil }
      let from = number()
      var upTo = from
      if position < text.count, text[position] == "," {
        position += 1
        upTo = number()
      }
      guard let low = from ?? (upTo == nil ? nil : 0), take("}") else {
        position = start
        return nil
      }
      return (low, upTo)
    }

    private mutating func number() -> Int? {
      var value: Int?
      while position < text.count, ("0"..."9").contains(text[position]) {
        value = min(9999, (value ?? 0) * 10 + Int(text[position].value - 48))
        position += 1
      }
      return value
    }

    private mutating func atom(depth: Int, isFirst: Bool) -> Node? {
      if take("(") {
        groups += 1
        let number = groups
        guard number <= 64, let inner = alternatives(depth: depth + 1), take(")") else {
          return nil
        }
        return .group(number, inner)
      }
      let next = text[position]
      position += 1
      switch next {
      case "^" where extended || isFirst: return .start
      case "$" where extended || position == text.count || isNext(")") || isNext("|"): return .end
      case ".": return .scalars([], negated: true)
      case "[": return bracket()
      case "\\":
        guard position < text.count else { return nil }
        let escaped = text[position]
        position += 1
        // A back reference.
        if ("1"..."9").contains(escaped) { return nil }
        return Self.classes[escaped].map {
          .scalars($0, negated: "WSD".unicodeScalars.contains(escaped))
        }
          ?? literal(escaped == "n" ? "\n" : escaped == "t" ? "\t" : escaped)
      default: return literal(next)
      }
    }

    private static let word: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
    private static let space: [ClosedRange<UInt32>] = [9...13, 32...32]
    private static let classes: [Unicode.Scalar: [ClosedRange<UInt32>]] = [
      "w": word, "W": word, "s": space, "S": space,
    ]

    private func literal(_ scalar: Unicode.Scalar) -> Node {
      .scalars(folded([scalar.value...scalar.value]), negated: false)
    }

    /// With the other case of ASCII letters, where that is not told apart.
    private func folded(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
      guard ignoresCase else { return ranges }
      var result = ranges
      for range in ranges {
        if range.overlaps(65...90) {
          let part = range.clamped(to: 65...90)
          result.append(part.lowerBound + 32...part.upperBound + 32)
        }
        if range.overlaps(97...122) {
          let part = range.clamped(to: 97...122)
          result.append(part.lowerBound - 32...part.upperBound - 32)
        }
      }
      return result
    }

    private static let named: [(String, [ClosedRange<UInt32>])] = [
      ("[:digit:]", [48...57]), ("[:alpha:]", [65...90, 97...122]),
      ("[:alnum:]", [48...57, 65...90, 97...122]), ("[:space:]", space),
      ("[:blank:]", [9...9, 32...32]),
      ("[:upper:]", [65...90]), ("[:lower:]", [97...122]),
      ("[:xdigit:]", [48...57, 65...70, 97...102]),
      ("[:punct:]", [33...47, 58...64, 91...96, 123...126]),
    ]

    private mutating func bracket() -> Node? {
      let negated = position < text.count && text[position] == "^"
      if negated { position += 1 }
      var ranges: [ClosedRange<UInt32>] = []
      let first = position
      while position < text.count, text[position] != "]" || position == first {
        if let (name, members) = Self.named.first(where: {
          text[position...].starts(with: $0.0.unicodeScalars)
        }) {
          ranges += members
          position += name.unicodeScalars.count
        } else if position + 2 < text.count, text[position + 1] == "-", text[position + 2] != "]" {
          let (low, high) = (text[position].value, text[position + 2].value)
          guard low <= high else { return nil }
          ranges.append(low...high)
          position += 3
        } else {
          ranges.append(text[position].value...text[position].value)
          position += 1
        }
      }
      guard position < text.count else { return nil }
      position += 1
      return .scalars(folded(ranges), negated: negated)
    }
  }
}
