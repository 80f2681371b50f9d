public import MemoryFailure

/// What an actor can be told to do; the names are those of the language, see docs/scenarios.md.
public enum ActorOperation: Equatable, Sendable {
  /// `early`, `late`, `dflt`
  case policy(KillPolicy)
  /// `handler on|default|ignore|block`
  case handler(SignalHandling)
  case pending
  case map(MapArguments)
  /// Without a part, the whole mapping, and its name is free again.
  case unmap(name: String, part: Part?)
  /// `rd`: one byte
  case read(name: String, offset: Int64)
  /// `wr`: one byte
  case write(name: String, offset: Int64, value: UInt8)
  case touch(name: String, part: Part, step: Int64, write: Bool)
  case spin(name: String, offset: Int64, milliseconds: Int64)
  case advise(name: String, part: Part, advice: AdviceName)
  /// `hwp`: the actor writes the page's frame number to hwpoison/corrupt-pfn.
  case inject(name: String, offset: Int64)
  case page(name: String, offset: Int64)
  case frame(name: String, offset: Int64)
  case smaps(name: String)
  case fork(Actor)
  case thread(Actor)
  case readFile(path: String, part: Part, direct: Bool)
  case writeFile(path: String, part: Part, direct: Bool)
  /// `wbuf`: write(2) from the mapping to a file in memory.
  case writeFrom(name: String, part: Part)
  /// `rbuf`: read(2) of zeroes from a file in memory into the mapping.
  case readInto(name: String, part: Part)
  case truncate(path: String, length: Int64)
  case allocate(path: String, mode: AllocationMode, part: Part)
  case synchronize(name: String, part: Part)
  /// `mprotect`: to read-only
  case protect(name: String, part: Part)
  case remap(name: String, length: Int64)
  /// `sync`: nothing, for a moment
  case pause
  case exit(status: Int64)
}

/// A part of a mapping or a file, bytes.
public struct Part: Equatable, Sendable {
  public let offset: Int64
  public let length: Int64

  public init(offset: Int64, length: Int64) {
    self.offset = offset
    self.length = length
  }
}

/// What the actor's process does with SIGBUS and SIGSEGV.
public enum SignalHandling: String, Sendable, CaseIterable {
  case on
  case standard = "default"
  case ignore
  /// A handler, and SIGBUS blocked in the calling thread.
  case block
}

public enum MapKind: String, Sendable, CaseIterable {
  case shared
  case isPrivate = "private"
  /// MAP_SHARED_VALIDATE with MAP_SYNC
  case sync
  /// MAP_SHARED with MAP_POPULATE
  case populate
}

public struct MapArguments: Equatable, Sendable {
  public let name: String
  public let path: String
  public let offset: Int64
  public let length: Int64
  public let kind: MapKind
  public let readOnly: Bool
  /// Added to the 2 MiB aligned address that is asked for.
  public let shift: Int64
}

/// The advice that madvise() can be given, by the words of the language.
public enum AdviceName: String, Sendable, CaseIterable {
  case poison = "hwpoison"
  case softOffline = "softoff"
  case dontNeed = "dontneed"
  case populateRead = "popread"
  case populateWrite = "popwrite"
  case hugePage = "hugepage"
  case remove
  case dontFork = "dontfork"

  /// MADV_*
  public var value: Int32 {
    switch self {
    case .poison: 100
    case .softOffline: 101
    case .dontNeed: 4
    case .populateRead: 22
    case .populateWrite: 23
    case .hugePage: 14
    case .remove: 9
    case .dontFork: 10
    }
  }
}

/// fallocate()'s modes.
public enum AllocationMode: String, Sendable, CaseIterable {
  case plain
  /// FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
  case punch
  /// FALLOC_FL_ZERO_RANGE
  case zero
  /// FALLOC_FL_UNSHARE_RANGE
  case unshare
}
