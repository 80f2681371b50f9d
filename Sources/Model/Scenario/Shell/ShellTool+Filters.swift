/// grep, cut, tr and sed.
extension ShellTool {
  static let filters: [String: Run] = [
    "grep": grep, "egrep": grep, "fgrep": grep,
    "cut": { simulator, call, state in cut(&simulator, call, &state) },
    "tr": { _, call, state in translate(call, &state) },
    "sed": { simulator, call, state in
      guard let script = SedScript(call) else { return .failure(call, "script is not understood") }
      let (text, result) = read(&simulator, call, &state, files: script.files)
      let (output, status) = script.run(lines(text), &state.budget)
      return .init(status: max(status, result.status), output: output, errors: result.errors)
    },
    "awk": awk, "gawk": awk, "mawk": awk,
  ]

  private static let grep: Run = { simulator, call, state in
    var patterns: [String] = []
    var files: [String] = []
    var limit = Int.max
    var options: Set<Character> = []
    var rest = call.arguments[...]
    while let word = rest.popFirst() {
      if word == "-e" {
        patterns += rest.popFirst().map { [$0] } ?? []
      } else if word.hasPrefix("-m") {
        limit = Int(word.count > 2 ? String(word.dropFirst(2)) : rest.popFirst() ?? "") ?? 0
      } else if word.hasPrefix("-"), word.count > 1, !word.hasPrefix("--") {
        // -ve PATTERN: the last letter may want a word.
        options.formUnion(word.dropFirst())
        if word.hasSuffix("e") { patterns += rest.popFirst().map { [$0] } ?? [] }
      } else if !word.hasPrefix("--") {
        files.append(word)
      }
    }
    if patterns.isEmpty {
      guard !files.isEmpty else { return .failure(call, "no pattern", status: 2) }
      patterns = [files.removeFirst()]
    }
    let isFixed = options.contains("F") || call.tool == "fgrep"
    let isExtended = options.contains("E") || options.contains("P") || call.tool == "egrep"
    let ignoresCase = options.contains("i")
    var expressions: [RegularExpression] = []
    for pattern in patterns {
      var text = pattern
      if isFixed { text = SedScript.quoted(pattern) }
      if options.contains("x") { text = "^" + (isExtended && !isFixed ? "(\(text))" : text) + "$" }
      guard
        let expression = RegularExpression(
          text, extended: isExtended && !isFixed, ignoresCase: ignoresCase)
      else { return .failure(call, "\(pattern) is not understood", status: 2) }
      expressions.append(expression)
    }
    let (text, read) = read(&simulator, call, &state, files: files)
    var result = read
    var count = 0
    for (index, line) in lines(text).enumerated() where count < limit {
      let scalars = Array(line.unicodeScalars)
      let cost = expressions.reduce(0) { $0 + $1.cost } * (scalars.count + 1) * 4
      guard state.budget.spend(cost) else { break }
      var found: [RegularExpression.Match] = []
      for expression in expressions {
        var start = 0
        while start <= scalars.count,
          let match = expression.firstMatch(in: scalars, from: start)
        {
          if !options.contains("w") || SedScript.isWord(match, in: scalars) {
            found.append(match)
            if !options.contains("o") { break }
          }
          start = max(match[1], match[0] + 1)
          guard state.budget.spend(cost) else { break }
        }
      }
      guard found.isEmpty == options.contains("v") else { continue }
      count += 1
      let prefix = options.contains("n") ? "\(index + 1):" : ""
      if options.contains("o") {
        for match in found where match[0] < match[1] {
          result.output +=
            prefix + String(String.UnicodeScalarView(scalars[match[0]..<match[1]])) + "\n"
        }
      } else {
        result.output += prefix + line + "\n"
      }
    }
    if options.contains("c") { result.output = "\(count)\n" }
    if options.contains("q") { result.output = "" }
    if options.contains("l") { result.output = count > 0 ? (files.first ?? "-") + "\n" : "" }
    result.status = count > 0 ? 0 : max(result.status, 1)
    return result
  }

  /// `cut -d, -f1,3-`, `cut -c1-4`
  private static func cut(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    let fields = call.value(of: "-f", "--fields")
    let delimiter = call.value(of: "-d", "--delimiter")
    guard let list = fields ?? call.value(of: "-c", "--characters") ?? call.value(of: "-b") else {
      return .failure(call, "you must specify a list of bytes, characters, or fields")
    }
    var ranges: [ClosedRange<Int>] = []
    for part in list.split(separator: ",") {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      let low = ends.first?.map { $0 } ?? 1
      let high = ends.count == 1 ? low : ends[1] ?? Int.max
      guard low >= 1, high >= low, ends.count < 3 else { return .failure(call, "invalid list") }
      ranges.append(low...high)
    }
    let files = call.plain.filter { $0 != list && $0 != delimiter }
    let mark = delimiter?.first ?? "\t"
    return filter(&simulator, call, &state, files: files) { text in
      joined(
        lines(text).map { line in
          if fields == nil {
            return String(
              line.enumerated().filter { at in ranges.contains { $0.contains(at.offset + 1) } }.map(
                \.element))
          }
          guard line.contains(mark) else { return line }
          return line.split(separator: mark, omittingEmptySubsequences: false).enumerated().filter {
            at in ranges.contains { $0.contains(at.offset + 1) }
          }.map(\.element).joined(separator: String(mark))
        })
    }
  }

  /// `tr [-dsc] SET [SET]`
  private static func translate(
    _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    let sets = call.arguments.filter { !$0.hasPrefix("-") || $0 == "-" }.map { set(escaped($0)) }
    guard let first = sets.first else { return .failure(call, "missing operand") }
    let text = call.input.all()
    guard state.budget.spend(text.utf8.count * 2) else { return .init(status: 2) }
    let index = Dictionary(zip(first, 0...)) { one, _ in one }
    let isComplement = call.has("c") || call.has("C")
    var result = String.UnicodeScalarView()
    let squeezed = Set(sets.count > 1 ? sets[1] : first)
    for scalar in text.unicodeScalars {
      let place = index[scalar]
      let isIn = (place != nil) != isComplement
      if call.has("d"), isIn { continue }
      var new = scalar
      if isIn, !call.has("d"), sets.count > 1, let last = sets[1].last {
        new = isComplement ? last : sets[1][min(place ?? 0, sets[1].count - 1)]
      }
      let isSqueezed = sets.count > 1 ? squeezed.contains(new) : isIn
      if call.has("s"), isSqueezed, result.last == new { continue }
      result.append(new)
    }
    return .init(output: String(result))
  }

  private static func set(_ text: String) -> [Unicode.Scalar] {
    let named: [String: String] = [
      "[:digit:]": "0-9", "[:upper:]": "A-Z", "[:lower:]": "a-z", "[:space:]": " \t\n\r",
      "[:alpha:]": "A-Za-z", "[:alnum:]": "A-Za-z0-9", "[:blank:]": " \t",
    ]
    let scalars = Array((named[text] ?? text).unicodeScalars)
    var result: [Unicode.Scalar] = []
    var place = 0
    while place < scalars.count, result.count < 4096 {
      if place + 2 < scalars.count, scalars[place + 1] == "-",
        scalars[place].value <= scalars[place + 2].value,
        scalars[place + 2].value - scalars[place].value < 256
      {
        result += (scalars[place].value...scalars[place + 2].value).compactMap(Unicode.Scalar.init)
        place += 3
      } else {
        result.append(scalars[place])
        place += 1
      }
    }
    return result
  }

  private static let awk: Run = { simulator, call, state in
    guard let program = AwkProgram(call) else {
      simulator.note("shell", "awk: the program is not understood")
      return .failure(call, "the program is not understood", status: 2)
    }
    let (text, result) = read(&simulator, call, &state, files: program.files)
    let (output, status) = program.run(lines(text), &state.budget)
    return .init(status: max(result.status, status), output: output, errors: result.errors)
  }
}
