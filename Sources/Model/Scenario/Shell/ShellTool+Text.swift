/// Tools that print, count and compare text.
extension ShellTool {
  static let text: [String: Run] = [
    "cat": { simulator, call, state in
      filter(&simulator, call, &state, files: call.plain) { $0 }
    },
    "head": { simulator, call, state in part(&simulator, call, &state, fromEnd: false) },
    "tail": { simulator, call, state in part(&simulator, call, &state, fromEnd: true) },
    "wc": { simulator, call, state in
      filter(&simulator, call, &state, files: call.plain) { text in
        let words = text.split { $0 == " " || $0 == "\n" || $0 == "\t" }.count
        var counts: [Int] = []
        let asks = call.has("l") || call.has("w") || call.has("c") || call.has("m")
        if !asks || call.has("l") { counts.append(text.utf8.count { $0 == UInt8(ascii: "\n") }) }
        if !asks || call.has("w") { counts.append(words) }
        if !asks || call.has("c") { counts.append(text.utf8.count) }
        if call.has("m") { counts.append(text.unicodeScalars.count) }
        return counts.map(String.init).joined(separator: " ") + "\n"
      }
    },
    "sort": { simulator, call, state in
      filter(&simulator, call, &state, files: call.plain) { text in
        var lines = lines(text)
        if call.has("n") {
          lines.sort { (number($0), $0) < (number($1), $1) }
        } else {
          lines.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        if call.has("r") { lines.reverse() }
        if call.has("u") { lines = unique(lines).map(\.text) }
        return joined(lines)
      }
    },
    "uniq": { simulator, call, state in
      filter(&simulator, call, &state, files: call.plain) { text in
        joined(
          unique(lines(text)).map { call.has("c") ? "\(padded($0.count, 7)) \($0.text)" : $0.text })
      }
    },
    "rev": { simulator, call, state in
      filter(&simulator, call, &state, files: call.plain) { text in
        joined(lines(text).map { String($0.reversed()) })
      }
    },
    "tac": { simulator, call, state in
      filter(&simulator, call, &state, files: call.plain) { joined(lines($0).reversed()) }
    },
    "tee": { simulator, call, state in
      let text = call.input.all()
      for path in call.plain {
        let word = ShellWord(segments: [.text(path, quoted: true)])
        _ = simulator.redirect(
          [.init(descriptor: 1, kind: call.has("a") ? .append : .output, target: word)],
          input: ShellInput(), &state
        ) { _, _, _ in .init(output: text) }
      }
      return .init(output: text)
    },
    "basename": { _, call, _ in
      var name = call.plain.first?.split(separator: "/").last.map(String.init) ?? ""
      if call.plain.count > 1, name.hasSuffix(call.plain[1]), name != call.plain[1] {
        name.removeLast(call.plain[1].count)
      }
      return .init(output: name + "\n")
    },
    "dirname": { _, call, _ in
      let path = call.plain.first ?? ""
      let parts = path.split(separator: "/").dropLast()
      let start = path.hasPrefix("/") ? "/" : parts.isEmpty ? "." : ""
      return .init(output: start + parts.joined(separator: "/") + "\n")
    },
    "cmp": { simulator, call, state in compare(&simulator, call, &state, "differ") },
    "diff": { simulator, call, state in compare(&simulator, call, &state, "differ") },
  ]

  // MARK: Lines

  static func lines(_ text: String) -> [String] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines
  }

  static func joined(_ lines: some Sequence<String>) -> String {
    lines.reduce(into: "") { $0 += $1 + "\n" }
  }

  private static func unique(_ lines: [String]) -> [(text: String, count: Int)] {
    var result: [(text: String, count: Int)] = []
    for line in lines {
      if result.last?.text == line {
        result[result.count - 1].count += 1
      } else {
        result.append((line, 1))
      }
    }
    return result
  }

  /// The number at a text's beginning; 0 where none is.
  static func number(_ text: String) -> Int64 {
    var digits = Substring(text).drop { $0 == " " || $0 == "\t" }
    let negative = digits.first == "-"
    if negative { digits.removeFirst() }
    let value = Int64(digits.prefix { $0.isASCII && $0.isNumber }) ?? 0
    return negative ? -value : value
  }

  static func padded(_ number: some BinaryInteger, _ width: Int) -> String {
    let text = String(number)
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }

  // MARK: Reading

  /// What is in the files, or what is fed in, changed by `body`.
  static func filter(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState, files: [String],
    _ body: (String) -> String
  ) -> Simulator.CommandResult {
    var (text, result) = read(&simulator, call, &state, files: files)
    guard state.budget.spend(text.utf8.count) else { return result }
    text = body(text)
    result.output = text
    return result
  }

  static func read(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState, files: [String]
  ) -> (text: String, result: Simulator.CommandResult) {
    var result = Simulator.CommandResult()
    if files.isEmpty { return (call.input.all(), result) }
    var text = ""
    for file in files {
      guard let part = file == "-" ? call.input.all() : simulator.shellText(state.resolve(file))
      else {
        result.errors += "\(call.tool): \(file): No such file or directory\n"
        result.status = 1
        continue
      }
      guard text.utf8.count + part.utf8.count <= ShellState.valueLimit else {
        state.budget.fail("more than 1 MiB is read")
        break
      }
      text += part
    }
    return (text, result)
  }

  /// `head`, `tail`: lines (`-n`, `-3`) or bytes (`-c`).
  private static func part(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState, fromEnd: Bool
  ) -> Simulator.CommandResult {
    let bytes = call.value(of: "-c", "--bytes")
    let short = call.arguments.first { $0.hasPrefix("-") && Int($0.dropFirst()) != nil }
    let count = bytes ?? call.value(of: "-n", "--lines") ?? short.map { String($0.dropFirst()) }
    let skips = fromEnd && count?.hasPrefix("+") == true
    guard
      let number = Simulator.size(
        count.map { $0.hasPrefix("+") ? String($0.dropFirst()) : $0 } ?? "10"),
      let amount = Int(exactly: number)
    else { return .failure(call, "invalid number: '\(count ?? "")'") }
    let files = call.plain.filter { $0 != count }
    if !fromEnd, bytes != nil, files == ["/dev/zero"] {
      guard (0...ShellState.valueLimit).contains(amount) else {
        state.budget.fail("more than 1 MiB is printed")
        return .init(status: 2)
      }
      return .init(output: String(repeating: "\0", count: amount))
    }
    return filter(&simulator, call, &state, files: files) { text in
      func part<T: Collection>(_ items: T) -> T.SubSequence {
        if skips { return items.dropFirst(max(0, amount - 1)) }
        if fromEnd { return items.suffix(Int(amount.magnitude)) }
        return amount < 0
          ? items.dropLast(Int(amount.magnitude)) : items.prefix(amount)
      }
      if bytes != nil { return String(decoding: part(Array(text.utf8)), as: UTF8.self) }
      return joined(part(lines(text)))
    }
  }

  private static func compare(
    _ simulator: inout Simulator, _ call: ShellCall, _ state: inout ShellState, _ word: String
  ) -> Simulator.CommandResult {
    guard call.plain.count >= 2 else { return .failure(call, "missing operand", status: 2) }
    var texts: [[UInt8]] = []
    for path in call.plain.prefix(2) {
      guard let bytes = simulator.shellBytes(state.resolve(path)),
        state.budget.spend(bytes.count)
      else { return .failure(call, "\(path): No such file or directory", status: 2) }
      texts.append(bytes)
    }
    let isQuiet = call.has("s") || call.has("q")
    if texts[0] == texts[1] { return .init() }
    let output = isQuiet ? "" : "\(call.plain[0]) \(call.plain[1]) \(word)\n"
    return .init(status: 1, output: output)
  }
}
