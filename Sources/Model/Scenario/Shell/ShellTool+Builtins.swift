/// What a shell does by itself.
extension ShellTool {
  static let builtins: [String: Run] = [
    ":": { _, _, _ in .init() },
    "true": { _, _, _ in .init() },
    "false": { _, _, _ in .init(status: 1) },
    "echo": { _, call, _ in
      var words = call.arguments[...]
      let newline = words.first != "-n"
      while let first = words.first, first == "-n" || first == "-e" { words = words.dropFirst() }
      return .init(output: escaped(words.joined(separator: " ")) + (newline ? "\n" : ""))
    },
    "printf": { _, call, state in
      guard call.arguments.contains(where: { $0 != "--" }) else {
        return .failure(call, "usage: printf format [arg ...]", status: 2)
      }
      return printf(call.arguments, &state.budget)
    },
    "test": { simulator, call, state in simulator.test(call, call.arguments, state) },
    "[": { simulator, call, state in
      guard call.arguments.last == "]" else { return .failure(call, "missing ]", status: 2) }
      return simulator.test(call, Array(call.arguments.dropLast()), state)
    },
    "read": { _, call, state in read(call, &state) },
    "cd": { simulator, call, state in
      let path = state.resolve(call.plain.first ?? "/root")
      guard simulator.shellFile(path)?.kind == .directory else {
        return .failure(call, "can't cd to \(call.plain.first ?? "")", status: 2)
      }
      state.directory = path
      state.variables["PWD"] = path
      return .init()
    },
    "pwd": { _, _, state in .init(output: state.directory + "\n") },
    "exit": { _, call, state in leave(.shell, call, &state) },
    "return": { _, call, state in leave(.function, call, &state) },
    "break": { _, call, state in
      state.leaving = .loop(levels: max(1, Int(call.arguments.first ?? "") ?? 1), again: false)
      return .init()
    },
    "continue": { _, call, state in
      state.leaving = .loop(levels: max(1, Int(call.arguments.first ?? "") ?? 1), again: true)
      return .init()
    },
    "shift": { _, call, state in
      let count = call.arguments.first.map { Int($0) ?? -1 } ?? 1
      guard count >= 0, count <= state.parameters.count else {
        return .failure(call, "can't shift that many", status: 2)
      }
      state.parameters.removeFirst(count)
      return .init()
    },
    "set": { _, call, state in
      for (index, word) in call.arguments.enumerated() {
        guard word != "--", word.hasPrefix("-") || word.hasPrefix("+") else {
          state.parameters = Array(call.arguments.dropFirst(word == "--" ? index + 1 : index))
          break
        }
        if word.contains("e") { state.exitsOnError = word.hasPrefix("-") }
      }
      return .init()
    },
    "unset": { _, call, state in
      for name in call.plain {
        state.variables[name] = nil
        state.functions[name] = nil
      }
      return .init()
    },
    "export": assign, "local": assign, "readonly": assign,
    "eval": { simulator, call, state in
      simulator.run(
        program: call.arguments.joined(separator: " "), input: call.input, &state)
    },
    "exec": { simulator, call, state in
      guard let name = call.arguments.first else { return .init() }
      let result = simulator.execute(
        name, Array(call.arguments.dropFirst()), input: call.input, &state)
      state.leaving = .shell
      return result
    },
    "command": { simulator, call, state in
      guard let name = call.plain.first else { return .init() }
      if call.arguments.first == "-v" {
        let isKnown = state.functions[name] != nil || named(name) != nil
        return .init(status: isKnown ? 0 : 127, output: isKnown ? name + "\n" : "")
      }
      return simulator.execute(
        name, Array(call.plain.dropFirst()), input: call.input, &state)
    },
    "which": { _, call, _ in
      let known = call.plain.filter { named($0) != nil }
      return .init(
        status: known.count == call.plain.count ? 0 : 1,
        output: known.map { "/usr/bin/\($0)\n" }.joined())
    },
    "sh": nested, "bash": nested, "dash": nested,
    "expr": { _, call, _ in
      do throws(ShellArithmetic.Failure) {
        let (value, _) = try ShellArithmetic.value(
          call.arguments.joined(separator: " ").replacing(" = ", with: " == ")
        ) { _ in "" }
        return .init(status: value == 0 ? 1 : 0, output: "\(value)\n")
      } catch {
        return .failure(call, error.message, status: 2)
      }
    },
    "seq": { _, call, state in sequence(call, &state) },
    "xargs": { simulator, call, state in
      var words = call.input.all().split { $0 == " " || $0 == "\n" || $0 == "\t" }.map(String.init)[
        ...]
      let count = call.value(of: "-n").flatMap { Int($0) }.map { max(1, $0) }
      let command = call.arguments.drop { $0.hasPrefix("-") || $0 == call.value(of: "-n") }
      var result = Simulator.CommandResult()
      while !words.isEmpty, state.budget.spendCommand() {
        let part = words.prefix(count ?? words.count)
        words = words.dropFirst(part.count)
        let one = simulator.execute(
          command.first ?? "echo", Array(command.dropFirst()) + part, input: ShellInput(), &state)
        simulator.append(one, to: &result, &state)
      }
      return result
    },
  ]

  private static func leave(
    _ leaving: ShellState.Leaving, _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    state.leaving = leaving
    let status = call.arguments.first.map { Int($0) ?? 2 } ?? state.status
    return .init(status: status & 255)
  }

  private static let assign: Run = { _, call, state in
    for word in call.plain {
      guard let equal = word.firstIndex(of: "=") else { continue }
      state.variables[String(word[..<equal])] = String(word[word.index(after: equal)...])
    }
    return .init()
  }

  /// `sh -c PROGRAM [NAME [PARAMETER…]]`, a program that is fed in, or the set-up script that comes with the scenarios.
  private static let nested: Run = { simulator, call, state in
    var program = ""
    var name = "sh"
    var parameters: [String] = []
    if let option = call.arguments.firstIndex(where: {
      $0.hasPrefix("-") && $0.hasSuffix("c")
    }) {
      guard option + 1 < call.arguments.count else {
        return .failure(call, "-c requires an argument", status: 2)
      }
      program = call.arguments[option + 1]
      name = call.arguments.dropFirst(option + 2).first ?? name
      parameters = Array(call.arguments.dropFirst(option + 3))
    } else if let script = call.plain.first {
      if script.hasSuffix("lib.sh") {
        return simulator.setUp(Array(call.arguments.drop { $0 != script }.dropFirst()))
      }
      guard let text = simulator.shellText(state.resolve(script)) else {
        return .failure(call, "0: cannot open \(script): No such file", status: 2)
      }
      program = text
      name = script
      parameters = Array(call.plain.dropFirst())
    } else {
      program = call.input.all()
    }
    let exits = call.arguments.first.map { $0.hasPrefix("-") && $0.contains("e") } ?? false
    return simulator.inSubshell(&state) {
      $1.name = name
      $1.parameters = parameters
      $1.exitsOnError = exits
      return $0.run(program: program, input: call.input, &$1)
    }
  }

  private static func read(
    _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    guard let line = call.input.line() else { return .init(status: 1) }
    guard state.budget.spend(line.text.utf8.count) else { return .init(status: 2) }
    let separators = state.variables["IFS"] ?? " \t\n"
    let names = call.plain.isEmpty ? ["REPLY"] : call.plain
    let parts = line.text.split(maxSplits: max(0, names.count - 1)) { separators.contains($0) }
    for (index, name) in names.enumerated() {
      var value = index < parts.count ? parts[index] : ""
      while let first = value.first, separators.contains(first) { value.removeFirst() }
      while let last = value.last, separators.contains(last) { value.removeLast() }
      state.variables[name] = String(value)
    }
    return .init(status: line.isWhole ? 0 : 1)
  }

  private static func sequence(
    _ call: ShellCall, _ state: inout ShellState
  ) -> Simulator.CommandResult {
    let words = call.arguments.filter { Words.number($0) != nil || !$0.hasPrefix("-") }
    let numbers = words.compactMap { Int64($0) }
    guard (1...3).contains(numbers.count), numbers.count == words.count, let last = numbers.last
    else { return .failure(call, "expected one to three numbers") }
    let first = numbers.count > 1 ? numbers[0] : 1
    let step = numbers.count > 2 ? numbers[1] : 1
    guard step != 0 else { return .failure(call, "invalid Zero increment value: '0'") }
    var text = ""
    var value = first
    while step > 0 ? value <= last : value >= last {
      text += "\(value)\n"
      guard text.utf8.count <= ShellState.valueLimit else {
        state.budget.fail("more than 1 MiB is printed")
        return .init(status: 2)
      }
      let (next, overflow) = value.addingReportingOverflow(step)
      if overflow { break }
      value = next
    }
    return .init(output: text)
  }

  // MARK: printf

  /// Backslashes of echo and printf.
  static func escaped(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "\\")) else { return text }
    var result = String.UnicodeScalarView()
    var rest = text.unicodeScalars[...]
    while let next = rest.popFirst() {
      guard next == "\\", let sign = rest.popFirst() else {
        result.append(next)
        continue
      }
      switch sign {
      case "n": result.append("\n")
      case "t": result.append("\t")
      case "r": result.append("\r")
      case "a": result.append("\u{7}")
      case "\\": result.append("\\")
      case "0"..."7":
        var value = sign.value - 48
        var digits = sign == "0" ? 0 : 1
        while digits < 3, let digit = rest.first, ("0"..."7").contains(digit) {
          value = value * 8 + digit.value - 48
          digits += 1
          rest.removeFirst()
        }
        result.append(Unicode.Scalar(value & 255) ?? "?")
      default:
        result.append("\\")
        result.append(sign)
      }
    }
    return String(result)
  }

  /// The format, and its arguments: as often as there are arguments for.
  static func printf(
    _ words: [String], _ budget: inout ShellBudget
  ) -> Simulator.CommandResult {
    var rest = words[...]
    if rest.first == "--" { rest.removeFirst() }
    let format = escaped(rest.popFirst() ?? "")
    var result = Simulator.CommandResult()
    repeat {
      let before = rest.count
      turn(format, &rest, &result)
      if rest.count == before { break }
      guard budget.spend(format.utf8.count), result.output.utf8.count <= ShellState.valueLimit
      else {
        budget.fail("more than 1 MiB is printed")
        break
      }
    } while !rest.isEmpty
    return result
  }

  /// One turn of printf's format over its arguments.
  private static func turn(
    _ format: String, _ arguments: inout ArraySlice<String>,
    _ result: inout Simulator.CommandResult
  ) {
    var rest = format.unicodeScalars[...]
    while let next = rest.popFirst() {
      guard next == "%" else {
        result.output.unicodeScalars.append(next)
        continue
      }
      var flags: Set<Unicode.Scalar> = []
      while let flag = rest.first, "-0+ #".unicodeScalars.contains(flag) {
        flags.insert(flag)
        rest.removeFirst()
      }
      func number() -> Int? {
        var value: Int?
        while let digit = rest.first, ("0"..."9").contains(digit) {
          value = min(4096, (value ?? 0) * 10 + Int(digit.value - 48))
          rest.removeFirst()
        }
        return value
      }
      let width = number() ?? 0
      var precision: Int?
      if rest.first == "." {
        rest.removeFirst()
        precision = number() ?? 0
      }
      while let size = rest.first, "lhz".unicodeScalars.contains(size) { rest.removeFirst() }
      guard let kind = rest.popFirst() else { break }
      if kind == "%" {
        result.output += "%"
        continue
      }
      let argument = arguments.popFirst() ?? ""
      var text: String
      switch kind {
      case "s": text = precision.map { String(argument.prefix($0)) } ?? argument
      case "b": text = escaped(argument)
      case "c": text = String(argument.prefix(1))
      case "d", "i", "u", "x", "X", "o":
        let value = argument.isEmpty ? 0 : Words.number(argument)
        if value == nil {
          result.status = 1
          result.errors += "printf: \(argument): expected numeric value\n"
        }
        let radix = kind == "o" ? 8 : kind == "x" || kind == "X" ? 16 : 10
        let bits = value ?? 0
        text =
          radix == 10
          ? String(bits) : String(UInt64(bitPattern: bits), radix: radix, uppercase: kind == "X")
        if flags.contains("#"), radix == 16, bits != 0 { text = "0x" + text }
      default: text = ""
      }
      let padding = max(0, width - text.unicodeScalars.count)
      if flags.contains("-") {
        text += String(repeating: " ", count: padding)
      } else {
        let zero = flags.contains("0") && kind != "s"
        text = String(repeating: zero ? "0" : " ", count: padding) + text
      }
      result.output += text
    }
  }
}

extension Simulator {
  fileprivate func test(
    _ call: ShellCall, _ words: [String], _ state: ShellState
  ) -> CommandResult {
    do throws(ShellTest.Failure) {
      let value = try ShellTest.value(words) { shellFile(state.resolve($0)) }
      return CommandResult(status: value ? 0 : 1)
    } catch {
      return .failure(call, error.message, status: 2)
    }
  }
}
