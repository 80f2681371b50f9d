internal import Scenario

/// A run of a scenario, told step by step.
struct ScenarioExplanation {
  let row: Row
  let journal: Journal

  var text: String {
    var lines: [String] = []
    var steps = row.steps[...]
    for entry in journal.entries {
      lines.append("\(entry.line): \(entry.text)")
      for note in entry.notes { lines.append("      \(note.rule): \(note.text)") }
      if let step = steps.first, step["step"]?.string == entry.text {
        steps.removeFirst()
        let shown = (step.members ?? []).dropFirst().map {
          "\($0.name) \(Self.shortened($0.value.text))"
        }
        if !shown.isEmpty { lines.append("   -> " + shown.joined(separator: ", ")) }
      }
    }
    if let stopped = row.stopped { lines.append("The machine stops: \(stopped)") }
    return lines.map { $0 + "\n" }.joined()
  }

  /// What a shell line prints can be long.
  private static func shortened(_ text: String) -> String {
    text.count > 400 ? text.prefix(400) + "…" : text
  }
}
