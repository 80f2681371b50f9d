/// Puts parameters, substitutions and file names into words.
extension Simulator {
  /// The fields that words become. What a substitution complains goes to `result`.
  mutating func expand(
    _ words: [ShellWord], _ state: inout ShellState, _ result: inout CommandResult
  ) -> [String] {
    var fields: [String] = []
    for word in words where state.leaving == nil { fields += expand(word, &state, &result) }
    return fields
  }

  private mutating func expand(
    _ word: ShellWord, _ state: inout ShellState, _ result: inout CommandResult
  ) -> [String] {
    var fields: [(text: String, pattern: ShellPattern)] = []
    var current: (text: String, pattern: ShellPattern)? = nil
    func add(_ text: String, quoted: Bool) {
      var field = current ?? ("", ShellPattern())
      field.text += text
      field.pattern.add(text, quoted: quoted)
      current = field
    }
    for segment in word.segments {
      if case .text(let text, let quoted) = segment {
        add(text, quoted: quoted)
        continue
      }
      if case .parameter("@", .value, true) = segment {
        // Each parameter is a field of its own.
        for (index, parameter) in state.parameters.enumerated() {
          if index > 0, let done = current {
            fields.append(done)
            current = nil
          }
          add(parameter, quoted: true)
        }
        continue
      }
      let (value, quoted) = value(segment, &state, &result)
      guard state.leaving == nil else { return [] }
      if quoted {
        add(value, quoted: true)
        continue
      }
      // Blanks part fields, at the ends too.
      var isFirst = true
      for part in value.split(
        omittingEmptySubsequences: false, whereSeparator: { $0 == " " || $0 == "\n" || $0 == "\t" })
      {
        if !isFirst, let done = current {
          fields.append(done)
          current = nil
        }
        isFirst = false
        if !part.isEmpty { add(String(part), quoted: false) }
      }
    }
    if let current { fields.append(current) }
    let size = fields.reduce(0) { $0 + $1.text.utf8.count + 1 }
    guard size <= ShellState.valueLimit, state.budget.spend(size) else {
      state.budget.fail("a word is longer than 1 MiB")
      state.leaving = .shell
      return []
    }
    return fields.flatMap { field in
      guard field.pattern.isPattern else { return [field.text] }
      let found = shellPaths(field.pattern, field.text, &state)
      return found.isEmpty ? [field.text] : found
    }
  }

  /// A word that stays one: an assignment's value, a file's name, the word of `case`.
  mutating func text(
    _ word: ShellWord, _ state: inout ShellState, _ result: inout CommandResult
  ) -> String {
    var text = ""
    for segment in word.segments where state.leaving == nil {
      text += value(segment, &state, &result).text
      guard text.utf8.count <= ShellState.valueLimit, state.budget.spend(text.utf8.count) else {
        state.budget.fail("a value is longer than 1 MiB")
        state.leaving = .shell
        return ""
      }
    }
    return text
  }

  mutating func pattern(
    _ word: ShellWord, _ state: inout ShellState, _ result: inout CommandResult
  ) -> ShellPattern {
    var pattern = ShellPattern()
    for segment in word.segments where state.leaving == nil {
      let (text, quoted) = value(segment, &state, &result)
      guard state.budget.spend(text.utf8.count) else { break }
      pattern.add(text, quoted: quoted)
    }
    return pattern
  }

  // MARK: Segments

  private mutating func value(
    _ segment: ShellWord.Segment, _ state: inout ShellState, _ result: inout CommandResult
  ) -> (text: String, quoted: Bool) {
    switch segment {
    case .text(let text, let quoted): return (text, quoted)
    case .parameter(let name, let operation, let quoted):
      return (parameter(name, operation, &state, &result), quoted)
    case .substitution(let node, let quoted):
      let inner = inSubshell(&state) { $0.run(node, input: ShellInput(), &$1) }
      result.status = inner.status
      result.errors += inner.errors
      var text = Substring(inner.output)
      while text.last == "\n" { text.removeLast() }
      return (String(text), quoted)
    case .arithmetic(let word):
      let text = text(word, &state, &result)
      guard state.leaving == nil else { return ("", true) }
      let held = state.variables
      do throws(ShellArithmetic.Failure) {
        let (value, assigned) = try ShellArithmetic.value(text) { held[$0] ?? "" }
        for (name, number) in assigned { state.variables[name] = String(number) }
        return (String(value), true)
      } catch {
        leave(error.message, &state, &result)
        return ("", true)
      }
    }
  }

  /// An error of an expansion ends the shell.
  private func leave(
    _ message: String, _ state: inout ShellState, _ result: inout CommandResult
  ) {
    state.leaving = .shell
    result = complain(message, after: result)
  }

  private func held(_ name: String, _ state: ShellState) -> String? {
    switch name {
    case "?": String(state.status)
    case "#": String(state.parameters.count)
    case "@", "*": state.parameters.isEmpty ? nil : state.parameters.joined(separator: " ")
    case "$", "!": "100"
    case "-": state.exitsOnError ? "e" : ""
    case "0": state.name
    default:
      if let index = Int(name) {
        index <= state.parameters.count ? state.parameters[index - 1] : nil
      } else {
        state.variables[name]
      }
    }
  }

  private mutating func parameter(
    _ name: String, _ operation: ShellWord.Operation, _ state: inout ShellState,
    _ result: inout CommandResult
  ) -> String {
    let held = held(name, state)
    switch operation {
    case .value: return held ?? ""
    case .length: return String((held ?? "").unicodeScalars.count)
    case .trim(let fromEnd, let longest, let word):
      let pattern = pattern(word, &state, &result)
      let value = held ?? ""
      let length = min(4096, value.utf8.count)
      guard state.leaving == nil, state.budget.spend(length * (pattern.cost("") + length / 16))
      else { return "" }
      return pattern.trimmed(value, fromEnd: fromEnd, longest: longest)
    case .whenUnset(let sign, let orEmpty, let word):
      let isSet = held != nil && !(orEmpty && held == "")
      if sign == "+" { return isSet ? text(word, &state, &result) : "" }
      if isSet { return held ?? "" }
      let value = text(word, &state, &result)
      if sign == "=" { state.variables[name] = value }
      if sign == "?" {
        leave("\(name): \(value.isEmpty ? "parameter not set" : value)", &state, &result)
        return ""
      }
      return value
    }
  }
}
