/// Shell lines, as far as they are understood.
extension Simulator {
  mutating func shell(_ command: String) -> CommandResult {
    note("simulator", "the shell line is not understood: no effect")
    return CommandResult()
  }
}
