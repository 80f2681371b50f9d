/// What a shell has while it runs.
struct ShellState {
  /// Why commands that come next are not run.
  enum Leaving {
    /// `break`, `continue`
    case loop(levels: Int, again: Bool)
    /// `return`
    case function
    /// `exit`, or an error that ends a shell
    case shell
  }

  var variables: [String: String] = [:]
  /// `$0`
  var name = "sh"
  /// `$1`, `$2`, …
  var parameters: [String] = []
  var functions: [String: ShellNode] = [:]
  /// `$?`
  var status = 0
  var directory = "/"
  /// `set -e`
  var exitsOnError = false
  /// Whether what runs is a condition, whose failure is no error.
  var isTested = false
  var leaving: Leaving?
  /// How deep commands are nested: groups, functions, substitutions, `sh -c`.
  var depth = 0
  var budget = ShellBudget()

  static let depthLimit = 48
  /// Bytes of a variable, a word or what a command prints.
  static let valueLimit = 1 << 20

  /// An absolute path for one that may be relative.
  func resolve(_ path: String) -> String {
    var parts: [Substring] = []
    let whole = path.hasPrefix("/") ? path : directory + "/" + path
    for part in whole.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }
}

/// What a shell line may cost: it ends, whatever it says.
struct ShellBudget {
  static let commandLimit = 10_000
  static let workLimit = 1 << 25

  private var commands = Self.commandLimit
  /// Bytes that are copied, compared or searched.
  private var work = Self.workLimit
  /// What was too much.
  private(set) var failure: String?

  var isSpent: Bool { failure != nil }

  /// One command, or one turn of a loop.
  mutating func spendCommand() -> Bool {
    if commands == 0 { fail("more than \(Self.commandLimit) commands in a line") }
    commands -= commands > 0 ? 1 : 0
    return !isSpent
  }

  mutating func spend(_ amount: Int) -> Bool {
    if amount > work { fail("more than \(Self.workLimit >> 20) MiB are handled in a line") }
    if !isSpent { work -= amount }
    return !isSpent
  }

  mutating func fail(_ why: String) { if failure == nil { failure = why } }
}

/// What a command reads; a loop's commands take turns.
final class ShellInput {
  private var rest: Substring.UnicodeScalarView

  init(_ text: String = "") { rest = Substring(text).unicodeScalars }

  /// All that is left.
  func all() -> String {
    defer { rest = Substring.UnicodeScalarView() }
    return String(rest)
  }

  /// The next line without its end; nil where nothing is left.
  func line() -> (text: String, isWhole: Bool)? {
    guard !rest.isEmpty else { return nil }
    let end = rest.firstIndex(of: "\n")
    defer { rest = end.map { rest[rest.index(after: $0)...] } ?? Substring.UnicodeScalarView() }
    return (String(end.map { rest[..<$0] } ?? rest), end != nil)
  }
}
