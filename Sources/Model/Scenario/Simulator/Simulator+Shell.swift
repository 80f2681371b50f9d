/// Runs shell programs: what a scenario's `sh`, `setup` and `setvar` say.
///
/// As dash, with the tools of a guest that matter here (`ShellTool`). Whatever the program is, it ends: nesting, commands, and
/// the bytes that it handles are limited, and what goes beyond is an error with status 2.
extension Simulator {
  mutating func shell(_ program: String) -> CommandResult {
    var state = ShellState()
    state.variables = ["PWD": "/", "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
    var result = run(program: program, input: ShellInput(), &state)
    if let failure = state.budget.failure { result = complain(failure, after: result) }
    return result
  }

  /// Reads a program and runs it in a shell that there is.
  mutating func run(
    program: String, input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    do throws(ShellParser.Failure) {
      guard state.budget.spend(program.utf8.count) else { return CommandResult(status: 2) }
      return run(try ShellParser.parse(program), input: input, &state)
    } catch {
      state.leaving = .shell
      return complain(error.message)
    }
  }

  /// A message of the shell's own.
  func complain(_ message: String, after result: CommandResult = CommandResult()) -> CommandResult {
    note("shell", message)
    var result = result
    result.status = 2
    result.errors += "sh: 1: \(message)\n"
    return result
  }

  mutating func run(
    _ node: ShellNode, input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    guard state.leaving == nil, stopped == nil else { return CommandResult(status: state.status) }
    state.depth += 1
    defer { state.depth -= 1 }
    guard state.depth <= ShellState.depthLimit else {
      state.leaving = .shell
      return complain("commands are nested more than \(ShellState.depthLimit) deep")
    }
    var result: CommandResult
    switch node {
    case .command(let command): result = run(command, input: input, &state)
    case .list(let items): result = run(items, input: input, &state)
    case .pipeline(let stages): result = pipe(stages, input: input, &state)
    case .negated(let inner):
      result = test(inner, input: input, &state)
      result.status = result.status == 0 ? 1 : 0
    case .subshell(let body): result = inSubshell(&state) { $0.run(body, input: input, &$1) }
    case .loop(let variable, let words, let body):
      result = loop(variable, words, body, input: input, &state)
    case .repeated(let condition, let until, let body):
      result = CommandResult()
      // The status is that of the last turn, not of the condition.
      var status = 0
      while state.budget.spendCommand() {
        let tested = test(condition, input: input, &state)
        append(tested, to: &result, &state)
        if state.leaving != nil { status = tested.status }
        if state.leaving != nil || (tested.status == 0) == until || stopped != nil { break }
        let goesOn = turn(body, input: input, &result, &state)
        status = result.status
        if !goesOn { break }
      }
      result.status = status
    case .branch(let branches, let otherwise):
      result = branch(branches, otherwise, input: input, &state)
    case .select(let subject, let choices):
      result = select(subject, choices, input: input, &state)
    case .function(let name, let body):
      state.functions[name] = body
      result = CommandResult()
    case .redirected(let body, let redirections):
      result = redirect(redirections, input: input, &state) { $0.run(body, input: $1, &$2) }
    }
    if state.budget.isSpent {
      state.leaving = .shell
      result.status = 2
    }
    state.status = result.status
    return result
  }

  /// Adds what a part printed, and takes its status.
  func append(
    _ part: CommandResult, to result: inout CommandResult, _ state: inout ShellState
  ) {
    result.status = part.status
    result.output += part.output
    result.errors += part.errors
    if result.output.utf8.count + result.errors.utf8.count > ShellState.valueLimit {
      state.budget.fail("more than 1 MiB is printed")
    }
  }

  // MARK: Lists and pipes

  private mutating func run(
    _ items: [ShellNode.Item], input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    var result = CommandResult(status: items.isEmpty ? 0 : state.status)
    for (index, item) in items.enumerated() {
      switch item.connector {
      case .always: break
      case .ifSucceeded: if result.status != 0 { continue }
      case .ifFailed: if result.status == 0 { continue }
      }
      let isTested = index + 1 < items.count && items[index + 1].connector != .always
      let one =
        isTested
        ? test(item.node, input: input, &state) : run(item.node, input: input, &state)
      append(one, to: &result, &state)
      var isNegated = false
      if case .negated = item.node { isNegated = true }
      if one.status != 0, state.exitsOnError, !isTested, !isNegated, !state.isTested {
        if state.leaving == nil { state.leaving = .shell }
      }
      if state.leaving != nil || stopped != nil { break }
    }
    return result
  }

  /// Runs something whose failure is an answer, not an error.
  private mutating func test(
    _ node: ShellNode, input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    let wasTested = state.isTested
    state.isTested = true
    defer { state.isTested = wasTested }
    return run(node, input: input, &state)
  }

  /// Each stage is a shell of its own, one after the other.
  private mutating func pipe(
    _ stages: [ShellNode], input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    var result = CommandResult()
    var errors = ""
    var input = input
    for stage in stages {
      result = inSubshell(&state) { $0.run(stage, input: input, &$1) }
      input = ShellInput(result.output)
      errors += result.errors
      if state.budget.isSpent || stopped != nil { break }
    }
    result.errors = errors
    return result
  }

  /// What happens in a shell of its own leaves nothing in this one but its status.
  mutating func inSubshell(
    _ state: inout ShellState,
    _ body: (inout Simulator, inout ShellState) -> CommandResult
  ) -> CommandResult {
    var inner = state
    let result = body(&self, &inner)
    state.budget = inner.budget
    state.status = result.status
    return result
  }

  // MARK: Compound commands

  private mutating func loop(
    _ variable: String, _ words: [ShellWord]?, _ body: ShellNode, input: ShellInput,
    _ state: inout ShellState
  ) -> CommandResult {
    var result = CommandResult()
    let values = words.map { expand($0, &state, &result) } ?? state.parameters
    if state.leaving != nil { return result }
    for value in values where state.budget.spendCommand() {
      state.variables[variable] = value
      if !turn(body, input: input, &result, &state) { break }
    }
    return result
  }

  /// One turn of a loop.
  ///
  /// - Returns: Whether there is another one.
  private mutating func turn(
    _ body: ShellNode, input: ShellInput, _ result: inout CommandResult,
    _ state: inout ShellState
  ) -> Bool {
    append(run(body, input: input, &state), to: &result, &state)
    guard case .loop(let levels, let again)? = state.leaving else {
      return state.leaving == nil && stopped == nil
    }
    state.leaving = levels > 1 ? .loop(levels: levels - 1, again: again) : nil
    return levels == 1 && again
  }

  private mutating func branch(
    _ branches: [(condition: ShellNode, body: ShellNode)], _ otherwise: ShellNode?,
    input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    var result = CommandResult()
    for branch in branches {
      let tested = test(branch.condition, input: input, &state)
      append(tested, to: &result, &state)
      if state.leaving != nil { return result }
      if tested.status == 0 {
        append(run(branch.body, input: input, &state), to: &result, &state)
        return result
      }
    }
    result.status = 0
    if let otherwise { append(run(otherwise, input: input, &state), to: &result, &state) }
    return result
  }

  private mutating func select(
    _ subject: ShellWord, _ choices: [(patterns: [ShellWord], body: ShellNode)],
    input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    var result = CommandResult()
    let text = text(subject, &state, &result)
    for choice in choices {
      for word in choice.patterns {
        let pattern = pattern(word, &state, &result)
        guard state.leaving == nil, state.budget.spend(pattern.cost(text)) else { return result }
        guard pattern.matches(text) else { continue }
        append(run(choice.body, input: input, &state), to: &result, &state)
        return result
      }
    }
    return result
  }

  // MARK: Simple commands

  private mutating func run(
    _ command: ShellNode.Command, input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    guard state.budget.spendCommand() else { return CommandResult(status: 2) }
    var result = CommandResult()
    let words = expand(command.words, &state, &result)
    var kept: [String: String?] = [:]
    for assignment in command.assignments where state.leaving == nil {
      kept[assignment.name] = .some(state.variables[assignment.name])
      state.variables[assignment.name] = text(assignment.value, &state, &result)
    }
    guard state.leaving == nil else { return result }
    guard let name = words.first else {
      // The status is that of a substitution, if there was one.
      return redirect(command.redirections, input: input, &state) { _, _, _ in result }
    }
    let errors = result.errors
    result = redirect(command.redirections, input: input, &state) {
      $0.execute(name, Array(words.dropFirst()), input: $1, &$2)
    }
    result.errors = errors + result.errors
    // What is assigned before a command is the command's.
    for (variable, value) in kept { state.variables[variable] = value }
    return result
  }

  /// Runs a function or a tool.
  mutating func execute(
    _ name: String, _ arguments: [String], input: ShellInput, _ state: inout ShellState
  ) -> CommandResult {
    var call = ShellCall(name: name, arguments: arguments, input: input)
    call.passWrappers()
    if let body = state.functions[call.name] {
      let parameters = state.parameters
      state.parameters = call.arguments
      defer { state.parameters = parameters }
      let result = run(body, input: input, &state)
      if case .function? = state.leaving { state.leaving = nil }
      return result
    }
    guard let tool = ShellTool.named(call.tool) else {
      note("shell", "\(call.name) is not known")
      return CommandResult(status: 127, errors: "sh: 1: \(call.name): not found\n")
    }
    let result = tool(&self, call, &state)
    if !state.budget.spend(result.output.utf8.count + result.errors.utf8.count) {
      return CommandResult(status: 2)
    }
    return result
  }
}

/// A command with what it is given.
struct ShellCall {
  var name: String
  var arguments: [String]
  let input: ShellInput

  /// The name without its directory.
  var tool: String { name.split(separator: "/").last.map(String.init) ?? name }

  /// Arguments that are no options.
  var plain: [String] { arguments.filter { !$0.hasPrefix("-") || $0 == "-" } }

  /// Whether a one-letter option is given, alone or with others.
  func has(_ letter: Character) -> Bool {
    arguments.contains {
      $0.hasPrefix("-") && !$0.hasPrefix("--") && $0.dropFirst().contains(letter)
    }
  }

  /// What follows one of the option's names, as a word of its own, or behind it (`-n8`, `--count=8`).
  func value(of names: String...) -> String? {
    for (index, word) in arguments.enumerated() {
      for name in names {
        if word == name { return index + 1 < arguments.count ? arguments[index + 1] : nil }
        let prefix = name.hasPrefix("--") ? name + "=" : name
        if word.hasPrefix(prefix) { return String(word.dropFirst(prefix.count)) }
      }
    }
    return nil
  }

  private static let wrappers: Set<String> = [
    "timeout", "nice", "nohup", "time", "env", "setsid", "stdbuf", "ionice", "sudo", "taskset",
  ]

  /// Takes off what runs another command as it is: options, numbers and variables come before the command.
  mutating func passWrappers() {
    var rest = ([name] + arguments)[...]
    while let first = rest.first, Self.wrappers.contains(first) {
      rest = rest.dropFirst().drop {
        $0.hasPrefix("-") || $0.first?.isNumber == true || $0.contains("=")
      }
    }
    name = rest.first ?? "true"
    arguments = Array(rest.dropFirst())
  }
}
