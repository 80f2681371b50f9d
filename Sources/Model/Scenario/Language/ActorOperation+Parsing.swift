internal import MemoryFailure

extension ActorOperation {
  init(parsing words: inout Words) throws(Words.Failure) {
    let name = try words.next("an operation")
    guard let verb = Self.verbs[name] else {
      throw Words.Failure(
        expected:
          "expected an actor's operation (\(Self.verbs.keys.sorted().joined(separator: ", ")))"
          + ", not \"\(name)\"")
    }
    self = try verb.read(&words)
  }

  /// Every operation of an actor.
  static let verbs: [String: Verb<Self>] = [
    "early": Verb("") { _ in .policy(.early) },
    "late": Verb("") { _ in .policy(.late) },
    "dflt": Verb("") { _ in .policy(.standard) },
    "handler": Verb("on|default|ignore|block") { words throws(Words.Failure) in
      .handler(try words.choice("a handling", of: SignalHandling.self))
    },
    "pending": Verb("") { _ in .pending },
    "map": Verb("NAME PATH OFFSET LENGTH shared|private|sync|populate [ro|rw [SHIFT]]") {
      words throws(Words.Failure) in .map(try MapArguments(parsing: &words))
    },
    "unmap": Verb("NAME [OFFSET LENGTH]") { words throws(Words.Failure) in
      .unmap(name: try words.mapName(), part: words.isEmpty ? nil : try words.part())
    },
    "rd": Verb("NAME OFFSET") { words throws(Words.Failure) in
      .read(name: try words.mapName(), offset: try words.number("an offset"))
    },
    "wr": Verb("NAME OFFSET [VALUE]") { words throws(Words.Failure) in
      .write(
        name: try words.mapName(), offset: try words.number("an offset"),
        value: UInt8(truncatingIfNeeded: words.isEmpty ? 1 : try words.number("a value")))
    },
    "touch": Verb("NAME OFFSET LENGTH STEP r|w") { words throws(Words.Failure) in
      try touch(&words)
    },
    "spin": Verb("NAME OFFSET MS") { words throws(Words.Failure) in
      .spin(
        name: try words.mapName(), offset: try words.number("an offset"),
        milliseconds: try words.number("milliseconds"))
    },
    "madv": Verb("NAME OFFSET LENGTH ADVICE") { words throws(Words.Failure) in
      .advise(
        name: try words.mapName(), part: try words.part(),
        advice: try words.choice("an advice", of: AdviceName.self))
    },
    "hwp": Verb("NAME OFFSET") { words throws(Words.Failure) in
      .inject(name: try words.mapName(), offset: try words.number("an offset"))
    },
    "page": Verb("NAME OFFSET") { words throws(Words.Failure) in
      .page(name: try words.mapName(), offset: try words.number("an offset"))
    },
    "pfn": Verb("NAME OFFSET") { words throws(Words.Failure) in
      .frame(name: try words.mapName(), offset: try words.number("an offset"))
    },
    "smaps": Verb("NAME") { words throws(Words.Failure) in .smaps(name: try words.mapName()) },
    "fork": Verb("ACTOR") { words throws(Words.Failure) in .fork(try words.actor("the child")) },
    "thread": Verb("ACTOR") { words throws(Words.Failure) in
      .thread(try words.actor("the new thread"))
    },
    "pread": Verb("PATH OFFSET LENGTH [direct]") { words throws(Words.Failure) in
      try transfer(&words, write: false)
    },
    "pwrite": Verb("PATH OFFSET LENGTH [direct]") { words throws(Words.Failure) in
      try transfer(&words, write: true)
    },
    "wbuf": Verb("NAME OFFSET LENGTH") { words throws(Words.Failure) in
      .writeFrom(name: try words.mapName(), part: try words.part())
    },
    "rbuf": Verb("NAME OFFSET LENGTH") { words throws(Words.Failure) in
      .readInto(name: try words.mapName(), part: try words.part())
    },
    "truncate": Verb("PATH LENGTH") { words throws(Words.Failure) in
      .truncate(path: try words.next("a path"), length: try words.number("a length"))
    },
    "falloc": Verb("PATH plain|punch|zero|unshare OFFSET LENGTH") {
      words throws(Words.Failure) in
      .allocate(
        path: try words.next("a path"), mode: try words.choice("a mode", of: AllocationMode.self),
        part: try words.part())
    },
    "msync": Verb("NAME OFFSET LENGTH") { words throws(Words.Failure) in
      .synchronize(name: try words.mapName(), part: try words.part())
    },
    "mprotect": Verb("NAME OFFSET LENGTH") { words throws(Words.Failure) in
      .protect(name: try words.mapName(), part: try words.part())
    },
    "mremap": Verb("NAME LENGTH") { words throws(Words.Failure) in
      .remap(name: try words.mapName(), length: try words.number("a length"))
    },
    "sync": Verb("") { _ in .pause },
    "exit": Verb("[STATUS]") { words throws(Words.Failure) in
      .exit(status: words.isEmpty ? 0 : try words.number("a status"))
    },
  ]

  private static func touch(_ words: inout Words) throws(Words.Failure) -> ActorOperation {
    let name = try words.mapName()
    let part = try words.part()
    let step = try words.number("a step")
    guard step > 0, part.length / step <= 1 << 20 else {
      throw Words.Failure(
        expected: "expected a step above 0 that makes at most 1048576 touches, not \(step)")
    }
    let kind = try words.next("r or w")
    guard kind == "r" || kind == "w" else {
      throw Words.Failure(expected: "expected r or w, not \"\(kind)\"")
    }
    return .touch(name: name, part: part, step: step, write: kind == "w")
  }

  private static func transfer(
    _ words: inout Words, write: Bool
  ) throws(Words.Failure) -> ActorOperation {
    let path = try words.next("a path")
    let part = try words.part()
    guard part.offset >= 0, part.length >= 0, part.length <= 1 << 30 else {
      throw Words.Failure(
        expected: "expected an offset from 0 and a length of at most 1 GiB")
    }
    var direct = false
    if !words.isEmpty {
      let word = try words.next("direct")
      guard word == "direct" else {
        throw Words.Failure(expected: "expected direct or nothing, not \"\(word)\"")
      }
      direct = true
    }
    return write
      ? .writeFile(path: path, part: part, direct: direct)
      : .readFile(path: path, part: part, direct: direct)
  }
}

extension MapArguments {
  init(parsing words: inout Words) throws(Words.Failure) {
    name = try words.mapName()
    path = try words.next("a path")
    offset = try words.number("an offset")
    length = try words.number("a length")
    kind = try words.choice("a kind of mapping", of: MapKind.self)
    guard length >= 0, length <= 1 << 40 else {
      throw Words.Failure(expected: "expected a length of at most 1 TiB, not \(length)")
    }
    var readOnly = false
    if !words.isEmpty {
      let word = try words.next("ro or rw")
      guard word == "ro" || word == "rw" else {
        throw Words.Failure(expected: "expected ro or rw, not \"\(word)\"")
      }
      readOnly = word == "ro"
    }
    self.readOnly = readOnly
    shift = words.isEmpty ? 0 : try words.number("a misalignment")
    guard shift >= 0, shift <= 1 << 21 else {
      throw Words.Failure(expected: "expected a misalignment of at most 2 MiB, not \(shift)")
    }
  }
}
