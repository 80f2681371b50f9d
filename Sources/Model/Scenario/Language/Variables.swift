/// `${NAME}` in a line. What a shell does with a name (`${NAME:-WORD}`, `${#NAME}`) is left to the shell.
enum Variables {
  /// Puts in what `value` says; nil when the line has none to put in.
  static func expand(_ line: String, with value: (String) -> String) -> String? {
    guard line.utf8.contains(UInt8(ascii: "$")) else { return nil }
    var result = ""
    var rest = Substring(line)
    var found = false
    while let dollar = rest.firstIndex(of: "$") {
      result += rest[..<dollar]
      let after = rest.index(after: dollar)
      if after < rest.endIndex, rest[after] == "{", let close = rest[after...].firstIndex(of: "}"),
        ShellParser.isName(String(rest[rest.index(after: after)..<close]))
      {
        result += value(String(rest[rest.index(after: after)..<close]))
        rest = rest[rest.index(after: close)...]
        found = true
      } else {
        result += "$"
        rest = rest[after...]
      }
    }
    return found ? result + rest : nil
  }
}
