/// A shell's pattern: `*`, `?` and `[…]`; what was quoted stands for itself.
///
/// Cost: the pattern's length times the text's; it never goes back further than one star.
struct ShellPattern {
  private enum Part {
    case one(Unicode.Scalar)
    case any
    case many
    case set([ClosedRange<UInt32>], negated: Bool)
  }

  private var parts: [Part] = []

  /// Whether there is anything but plain text in it.
  private(set) var isPattern = false

  mutating func add(_ text: String, quoted: Bool) {
    let scalars = Array(text.unicodeScalars)
    var position = 0
    while position < scalars.count {
      let next = scalars[position]
      position += 1
      switch next {
      case "*" where !quoted: parts.append(.many)
      case "?" where !quoted: parts.append(.any)
      case "[" where !quoted:
        guard let set = Self.set(scalars, &position) else {
          parts.append(.one(next))
          continue
        }
        parts.append(set)
      default:
        parts.append(.one(next))
        continue
      }
      isPattern = true
    }
  }

  /// What stands between brackets; nil where they are not closed.
  private static func set(_ text: [Unicode.Scalar], _ position: inout Int) -> Part? {
    var at = position
    let negated = at < text.count && (text[at] == "!" || text[at] == "^")
    if negated { at += 1 }
    var ranges: [ClosedRange<UInt32>] = []
    let first = at
    while at < text.count, text[at] != "]" || at == first {
      if at + 2 < text.count, text[at + 1] == "-", text[at + 2] != "]" {
        let (low, high) = (text[at].value, text[at + 2].value)
        if low <= high { ranges.append(low...high) }
        at += 3
      } else {
        ranges.append(text[at].value...text[at].value)
        at += 1
      }
    }
    guard at < text.count else { return nil }
    position = at + 1
    return .set(ranges, negated: negated)
  }

  /// What matching a text may cost, in comparisons.
  func cost(_ text: String) -> Int { (parts.count + 1) * (text.utf8.count + 1) }

  func matches(_ text: some StringProtocol) -> Bool { matches(Array(text.unicodeScalars)[...]) }

  private func matches(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
    var part = 0
    var place = text.startIndex
    var star: (part: Int, place: Int)?
    while place < text.endIndex {
      if part < parts.count, case .many = parts[part] {
        star = (part, place)
        part += 1
      } else if part < parts.count, Self.fits(parts[part], text[place]) {
        part += 1
        place += 1
      } else if let last = star {
        part = last.part + 1
        place = last.place + 1
        star = (last.part, place)
      } else {
        return false
      }
    }
    return parts[part...].allSatisfy { if case .many = $0 { true } else { false } }
  }

  private static func fits(_ part: Part, _ scalar: Unicode.Scalar) -> Bool {
    switch part {
    case .one(let wanted): wanted == scalar
    case .any, .many: true
    case .set(let ranges, let negated):
      ranges.contains { $0.contains(scalar.value) } != negated
    }
  }

  /// `text` without what matches at one end of it.
  ///
  /// Cost: the cube of the lengths at worst, so that only the first 4096 places are tried.
  func trimmed(_ text: String, fromEnd: Bool, longest: Bool) -> String {
    let scalars = Array(text.unicodeScalars)
    let lengths = Array(0...min(scalars.count, 4096))
    for length in longest ? lengths.reversed() : lengths {
      let end = fromEnd ? scalars.suffix(length) : scalars.prefix(length)
      guard matches(end) else { continue }
      let rest = fromEnd ? scalars.dropLast(length) : scalars.dropFirst(length)
      return String(String.UnicodeScalarView(rest))
    }
    return text
  }
}
