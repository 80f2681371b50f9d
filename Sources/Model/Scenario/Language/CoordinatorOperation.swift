/// What the coordinator, `-` in a scenario, can be told to do.
public enum CoordinatorOperation: Equatable, Sendable {
  /// `proc ABC`: new processes
  case processes([Actor])
  /// The variable gets what the command prints.
  case setVariable(name: String, command: String)
  /// A shell command that only shows in the row if it fails.
  case setup(command: String)
  case sleep(milliseconds: Int64)
  case note
  /// A shell command.
  case shell(command: String)
  /// The variable gets the target's physical address.
  case save(name: String, target: Target)
  /// `hwp`: hwpoison/corrupt-pfn, by a process that maps nothing.
  case inject(Target)
  case unpoison(Target)
  case page(Target)
  /// `mce`: a machine check that nobody consumed (action optional).
  case machineCheck(Target)
  /// `mcear`: one that a load consumed (action required).
  case machineCheckConsumed(Target)
  case softOffline(Target)
  /// `latent TARGET [BYTES]`: the medium goes bad there, and nobody knows it.
  case makeLatent(Target, length: Int64)
  case extents(path: String)
  case daxState(path: String)
  case clone(from: String, to: String)
  case makeFile(path: String, length: Int64, value: UInt8)
  case badBlocks
  case probe(path: String)
  /// `sync`: waits until signals have arrived, and says of every actor how it is.
  case synchronize
  /// The machine's administration, in this language's own words.
  case machine(MachineOperation)
}

/// A physical page, by what is there.
public enum Target: Equatable, Sendable {
  /// `A:NAME+OFFSET`
  case mapping(Actor, name: String, offset: UInt64)
  /// `file:PATH+OFFSET`
  case file(path: String, offset: UInt64)
  /// `bdev:NAME+OFFSET`
  case block(name: String, offset: UInt64)
  /// `dax:NAME+OFFSET`
  case device(name: String, offset: UInt64)
  /// `var:NAME+OFFSET`
  case variable(name: String, offset: UInt64)
  /// `phys:ADDRESS+OFFSET`
  case physical(UInt64)
  /// Anything else: every operation on it says EINVAL.
  case unknown(String)
}
