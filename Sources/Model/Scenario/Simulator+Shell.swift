/// Carries out shell lines, as far as they are understood.
///
/// A command that is not known succeeds, prints nothing and leaves a note.
extension Simulator {
  /// What a line has while it runs.
  struct ShellState {
    var variables: [String: String] = [:]
    var status = 0
    /// Commands that may still run: a line cannot loop for ever.
    var budget = 5000
  }

  /// - Parameter isQuestion: The output is what the line is for (`setvar`).
  mutating func shell(_ command: String, isQuestion: Bool = false) -> CommandResult {
    if isQuestion, let place = MetadataPlace(query: command) { return perform(.place(place)) }
    var state = ShellState()
    let node = ShellParser.parse(command)
    var result = run(node, input: "", &state)
    while result.output.last == "\n" { result.output.removeLast() }
    return result
  }

  private mutating func run(
    _ node: ShellNode, input: String, _ state: inout ShellState
  ) -> CommandResult {
    guard state.budget > 0 else { return CommandResult() }
    switch node {
    case .list(let items):
      var result = CommandResult()
      for item in items {
        switch item.connector {
        case .always: break
        case .ifSucceeded: if result.status != 0 { continue }
        case .ifFailed: if result.status == 0 { continue }
        }
        let one = run(item.node, input: input, &state)
        result.status = one.status
        result.output += one.output
        state.status = one.status
        if stopped != nil { break }
      }
      return result
    case .pipeline(let stages):
      var result = CommandResult(output: input)
      for stage in stages { result = run(stage, input: result.output, &state) }
      return result
    case .loop(let variable, let words, let body):
      var result = CommandResult()
      for value in words.flatMap({ expand($0, &state) }) {
        state.variables[variable] = value
        let one = run(body, input: input, &state)
        result.output += one.output
        result.status = one.status
        if state.budget <= 0 || stopped != nil { break }
      }
      return result
    case .lines(let variable, let body):
      var result = CommandResult()
      for line in input.split(separator: "\n") {
        state.variables[variable] = String(line)
        let one = run(body, input: "", &state)
        result.output += one.output
        if state.budget <= 0 || stopped != nil { break }
      }
      return result
    case .redirected(let node, let redirections):
      let fed = redirections.last { $0.descriptor == 0 }.map { read($0.target, &state) }
      var result = run(node, input: fed ?? input, &state)
      redirect(&result, redirections, &state)
      return result
    case .skipped:
      note("shell", "while and if are not carried out")
      return CommandResult()
    case .command(let command):
      state.budget -= 1
      return run(command, input: input, &state)
    }
  }

  private mutating func run(
    _ command: ShellNode.Command, input: String, _ state: inout ShellState
  ) -> CommandResult {
    for assignment in command.assignments {
      state.variables[assignment.name] = expand(assignment.value, &state).joined(separator: " ")
    }
    let words = command.words.flatMap { expand($0, &state) }
    var result = CommandResult()
    var input = input
    if let file = command.redirections.last(where: { $0.descriptor == 0 })?.target {
      input = read(file, &state)
    }
    if let first = words.first {
      result = execute(first, Array(words.dropFirst()), input: input, state: state)
    }
    redirect(&result, command.redirections, &state)
    return result
  }

  private mutating func redirect(
    _ result: inout CommandResult, _ redirections: [ShellNode.Redirection],
    _ state: inout ShellState
  ) {
    for redirection in redirections where redirection.descriptor == 1 {
      let path = expand(redirection.target, &state).joined(separator: " ")
      let status = write(result.output, to: path, append: redirection.appends)
      if status != 0 { result.status = status }
      result.output = ""
    }
  }

  /// What a `< FILE` feeds in.
  private mutating func read(_ file: ShellWord, _ state: inout ShellState) -> String {
    machine.temporary[expand(file, &state).joined(separator: " ")] ?? ""
  }

  // MARK: Words

  private mutating func expand(_ word: ShellWord, _ state: inout ShellState) -> [String] {
    var fields: [String] = []
    var current: String? = word.segments.isEmpty ? "" : nil
    for segment in word.segments {
      let value: String
      let splits: Bool
      switch segment {
      case .text(let text):
        current = (current ?? "") + text
        continue
      case .variable(let name, let quoted):
        value =
          name == "?"
          ? String(state.status) : state.variables[name] ?? machine.variables[name] ?? ""
        splits = !quoted
      case .substitution(let node, let quoted):
        var text = run(node, input: "", &state).output
        while text.last == "\n" { text.removeLast() }
        value = text
        splits = !quoted
      case .arithmetic(let text):
        let variables = state.variables
        value = String(ShellArithmetic.value(text) { variables[$0] ?? "" })
        splits = false
      }
      guard splits else {
        current = (current ?? "") + value
        continue
      }
      let parts = value.split { $0 == " " || $0 == "\n" || $0 == "\t" }.map(String.init)
      guard let first = parts.first else { continue }
      current = (current ?? "") + first
      for part in parts.dropFirst() {
        if let done = current { fields.append(done) }
        current = part
      }
    }
    if let current { fields.append(current) }
    return fields
  }

  // MARK: Files that are not on a filesystem of the machine's

  /// What a command prints, into a file.
  private mutating func write(_ text: String, to path: String, append: Bool) -> Int {
    let value = text.split(separator: "\n").first.map(String.init) ?? ""
    if path.hasPrefix("/proc/sys/vm/") {
      if let number = Words.number(value) {
        _ = perform(.sysctl(name: String(path.dropFirst("/proc/sys/vm/".count)), value: number))
      }
      return 0
    }
    if path.hasSuffix("/unbind") || path.hasSuffix("/bind") {
      return bind(value, path: path)
    }
    if path.hasPrefix("/mnt/") { return writeShellFile(path, text, append: append) }
    machine.temporary[path] = (append ? machine.temporary[path] ?? "" : "") + text
    return 0
  }

  /// A driver's `bind` and `unbind`: what is written names the device.
  private mutating func bind(_ device: String, path: String) -> Int {
    let names = path.hasSuffix("/unbind")
    let digits = device.drop { !$0.isNumber }.prefix { $0.isNumber }
    guard let namespace = Int(digits) else { return 1 }
    if names { return perform(.unbind(namespace)).status }
    return perform(.enableNamespace(namespace)).status
  }
}

extension MetadataPlace {
  /// What a command line asks a filesystem's tools for, if it asks for the place of something.
  ///
  /// The tools' own output formats are not simulated, so that what filters them is not either.
  init?(query: String) {
    if query.contains("logstart") {
      self = .log
    } else if query.contains("blocks <8>") {
      self = .journal
    } else if query.lowercased().contains("inode table") {
      self = .inodeTable
    } else if query.contains("fsmap") && query.contains("extent map") {
      self = .extentMap
    } else if query.contains("fsmap") && query.contains("inodes") {
      self = .inodeChunk
    } else {
      return nil
    }
  }
}
