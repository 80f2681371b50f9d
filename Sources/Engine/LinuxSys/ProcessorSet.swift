internal import CSoftdax
public import SystemPackage

/// A set of CPUs.
public struct ProcessorSet: Sendable {
  private let raw: sd_cpus

  /// Where the calling thread may run; empty if that is not known.
  public static var allowed: ProcessorSet { ProcessorSet(raw: sd_cpus_allowed()) }

  public static func one(_ cpu: Int32) -> ProcessorSet { ProcessorSet(raw: sd_cpus_one(cpu)) }

  private init(raw: sd_cpus) { self.raw = raw }

  /// The lowest.
  public var first: Int32 { sd_cpus_first(raw) }
  public var count: Int32 { sd_cpus_count(raw) }

  /// Moves the calling thread there; threads and children that it begins afterwards inherit it.
  ///
  /// - Throws: `.invalidArgument` when this process may use none of them. Source: `sched_setaffinity(2)`.
  public func placeThisThread() throws(Errno) { try checked(sd_cpus_place_thread(raw)) }

  /// Moves every thread of this process there; children and threads begun afterwards inherit it.
  public func placeThisProcess() throws(Errno) { try checked(sd_cpus_place_process(raw)) }
}

/// Where threads run.
public enum Placement {
  /// Binds the calling thread, and those it starts from now on, to one CPU.
  public static func pin(to cpu: Int) throws(Errno) {
    try ProcessorSet.one(Int32(clamping: cpu)).placeThisThread()
  }

  /// Runs `body` with the calling thread on `cpu`, and undoes that afterwards.
  public static func pinned<Result>(to cpu: Int, _ body: () throws -> Result) throws -> Result {
    let before = ProcessorSet.allowed
    try pin(to: cpu)
    defer { try? before.placeThisThread() }
    return try body()
  }
}
