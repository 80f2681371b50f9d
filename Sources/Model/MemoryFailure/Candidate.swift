/// One process, as `collect_procs` looks at it.
public struct Candidate: Sendable {
  /// A thread and what it asked for.
  public struct Thread: Sendable {
    public let id: Int
    public let policy: KillPolicy

    public init(id: Int, policy: KillPolicy) {
      self.id = id
      self.policy = policy
    }
  }

  /// A mapping of the process that shows the page, and has a page-table entry for it.
  public struct Place: Equatable, Sendable {
    /// What `si_addr` will say.
    public let address: UInt64
    /// log2 of the bytes the entry maps: `si_addr_lsb`.
    public let shift: UInt64

    public init(address: UInt64, shift: UInt64) {
      self.address = address
      self.shift = shift
    }
  }

  public let process: Int
  /// Leader first, then in the order they were created.
  public let threads: [Thread]
  /// In the order of the file's interval tree: by the file offset at which the mapping begins, then by age. Mappings
  /// that never faulted the page are not here.
  public let places: [Place]
  /// The main thread has ended and others go on: the leader has no address space any more.
  public let leaderIsGone: Bool

  public init(process: Int, threads: [Thread], places: [Place], leaderIsGone: Bool = false) {
    self.process = process
    self.threads = threads
    self.places = places
    self.leaderIsGone = leaderIsGone
  }
}
