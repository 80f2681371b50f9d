extension Scenario {
  /// Reads a scenario.
  ///
  /// - Parameters:
  ///   - bytes: Any; what is not UTF-8 is replaced.
  ///   - file: For messages.
  /// - Throws: For the first line that is not in the language.
  public init(parsing bytes: some Sequence<UInt8>, file: String) throws(ScenarioError) {
    let text = String(decoding: Array(bytes), as: UTF8.self)
    var number = 0
    var header: (name: String, group: String)?
    var lines: [Line] = []
    var own: [MachineOperation] = []
    for raw in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      var line = String(String.UnicodeScalarView(raw))
      if line.unicodeScalars.last == "\r" { line.unicodeScalars.removeLast() }
      do throws(Words.Failure) {
        if header == nil {
          header = try Self.header(line)
        } else if line.hasPrefix("#=") {
          own.append(try Self.machineOperation(line.dropFirst(2)))
        } else if line.isEmpty || line.hasPrefix("#") {
          continue
        } else {
          let step = try Self.step(line)
          if !own.isEmpty { try Self.checkStandsForShell(line) }
          lines.append(Line(number: number, text: line, step: step, own: own))
          own = []
        }
      } catch {
        throw ScenarioError(file: file, line: number, expected: error.expected)
      }
    }
    guard let header else {
      throw ScenarioError(file: file, line: 1, expected: Self.headerExpected)
    }
    guard own.isEmpty else {
      throw ScenarioError(
        file: file, line: number, expected: "expected a `- sh` line after `#=`, not the end")
    }
    self.init(name: header.name, group: header.group, lines: lines)
  }

  private static let headerExpected = "expected \"# NAME GROUP\" in the first line"

  private static func header(_ line: String) throws(Words.Failure) -> (String, String) {
    let words = line.split(separator: " ")
    guard words.count == 3, words[0] == "#" else {
      throw Words.Failure(expected: headerExpected)
    }
    return (String(words[1]), String(words[2]))
  }

  /// A line's meaning; nil while it names a variable. It must be in the language whatever the variable holds.
  private static func step(_ line: String) throws(Words.Failure) -> Step? {
    guard let expanded = Variables.expand(line, with: { _ in "0" }), expanded != line else {
      return try Step(parsing: line)
    }
    _ = try Step(parsing: expanded)
    return nil
  }

  private static func machineOperation(
    _ text: Substring
  ) throws(Words.Failure) -> MachineOperation {
    var words = Words(text)
    let operation = try MachineOperation(parsing: &words)
    try words.end()
    return operation
  }

  private static func checkStandsForShell(_ line: String) throws(Words.Failure) {
    let words = line.split(separator: " ", maxSplits: 2)
    guard words.count > 1, words[0] == "-", ["sh", "setup", "setvar"].contains(words[1]) else {
      throw Words.Failure(
        expected: "expected `- sh`, `- setup` or `- setvar` after `#=`, which stands for it")
    }
  }
}
