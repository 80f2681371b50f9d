internal import MemoryFailure

extension Step {
  init(parsing line: String) throws(Words.Failure) {
    var words = Words(line)
    let who = try words.next("an actor A to H, or - for the coordinator")
    guard line.hasPrefix(who + " ") else {
      throw Words.Failure(
        expected: "expected \"ACTOR OPERATION\", with the actor A to H or - first in the line")
    }
    if who == "-" {
      self = .coordinator(try CoordinatorOperation(parsing: &words, line: line))
    } else if who.count == 1, let letter = who.first, let actor = Actor(letter: letter) {
      self = .actor(actor, try ActorOperation(parsing: &words))
    } else {
      throw Words.Failure(
        expected: "expected an actor A to H, or - for the coordinator, not \"\(who)\"")
    }
    // What a shell or a reader gets is all that is left; everything else has an end.
    switch self {
    case .coordinator(.setVariable), .coordinator(.setup), .coordinator(.note),
      .coordinator(.shell):
      break
    default: try words.end()
    }
  }
}

extension ActorOperation {
  init(parsing words: inout Words) throws(Words.Failure) {
    let verb = try words.next("an operation")
    switch verb {
    case "early": self = .policy(.early)
    case "late": self = .policy(.late)
    case "dflt": self = .policy(.standard)
    case "handler":
      self = .handler(try words.choice("a handling", of: SignalHandling.self))
    case "pending": self = .pending
    case "map": self = .map(try MapArguments(parsing: &words))
    case "unmap":
      let name = try words.mapName()
      self = .unmap(name: name, part: words.isEmpty ? nil : try words.part())
    case "rd":
      self = .read(name: try words.mapName(), offset: try words.number("an offset"))
    case "wr":
      self = .write(
        name: try words.mapName(), offset: try words.number("an offset"),
        value: UInt8(
          truncatingIfNeeded: words.isEmpty ? 1 : try words.number("a value")))
    case "touch": self = try Self.touch(&words)
    case "spin":
      self = .spin(
        name: try words.mapName(), offset: try words.number("an offset"),
        milliseconds: try words.number("milliseconds"))
    case "madv":
      self = .advise(
        name: try words.mapName(), part: try words.part(),
        advice: try words.choice("an advice", of: AdviceName.self))
    case "hwp":
      self = .inject(name: try words.mapName(), offset: try words.number("an offset"))
    case "page":
      self = .page(name: try words.mapName(), offset: try words.number("an offset"))
    case "pfn":
      self = .frame(name: try words.mapName(), offset: try words.number("an offset"))
    case "smaps": self = .smaps(name: try words.mapName())
    case "fork": self = .fork(try words.actor("the child"))
    case "thread": self = .thread(try words.actor("the new thread"))
    case "pread", "pwrite": self = try Self.transfer(&words, write: verb == "pwrite")
    case "wbuf": self = .writeFrom(name: try words.mapName(), part: try words.part())
    case "rbuf": self = .readInto(name: try words.mapName(), part: try words.part())
    case "truncate":
      self = .truncate(path: try words.next("a path"), length: try words.number("a length"))
    case "falloc":
      self = .allocate(
        path: try words.next("a path"),
        mode: try words.choice("a mode", of: AllocationMode.self), part: try words.part())
    case "msync": self = .synchronize(name: try words.mapName(), part: try words.part())
    case "mprotect": self = .protect(name: try words.mapName(), part: try words.part())
    case "mremap":
      self = .remap(name: try words.mapName(), length: try words.number("a length"))
    case "sync": self = .pause
    case "exit": self = .exit(status: words.isEmpty ? 0 : try words.number("a status"))
    default:
      throw Words.Failure(
        expected: "expected an actor's operation (\(Self.verbs)), not \"\(verb)\"")
    }
  }

  private static let verbs =
    "map, rd, wr, touch, madv, hwp, page, early, handler and others, see docs/scenarios.md"

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

extension CoordinatorOperation {
  init(parsing words: inout Words, line: String) throws(Words.Failure) {
    let verb = try words.next("an operation")
    switch verb {
    case "proc":
      var actors: [Actor] = []
      for letter in try words.next("actors: ABC") {
        guard let actor = Actor(letter: letter) else {
          throw Words.Failure(expected: "expected actors A to H, not \"\(letter)\"")
        }
        actors.append(actor)
      }
      self = .processes(actors)
    case "setvar":
      let name = try words.next("a variable")
      self = .setVariable(name: name, command: Self.rest(of: line, after: 3))
    case "setup": self = .setup(command: Self.rest(of: line, after: 2))
    case "sleep": self = .sleep(milliseconds: try words.number("milliseconds"))
    case "note": self = .note
    case "sh": self = .shell(command: Self.rest(of: line, after: 2))
    case "save":
      self = .save(name: try words.next("a variable"), target: try words.target())
    case "hwp": self = .inject(try words.target())
    case "unpoison": self = .unpoison(try words.target())
    case "page": self = .page(try words.target())
    case "mce": self = .machineCheck(try words.target())
    case "mcear": self = .machineCheckConsumed(try words.target())
    case "softoff": self = .softOffline(try words.target())
    case "latent":
      let target = try words.target()
      let length = words.isEmpty ? 512 : try words.number("a length")
      guard length > 0, length <= 1 << 30 else {
        throw Words.Failure(expected: "expected a length of at most 1 GiB, not \(length)")
      }
      self = .makeLatent(target, length: length)
    case "fiemap": self = .extents(path: try words.next("a path"))
    case "statxdax": self = .daxState(path: try words.next("a path"))
    case "reflink":
      self = .clone(from: try words.next("a path"), to: try words.next("a path"))
    case "mkfile": self = try Self.makeFile(&words)
    case "badblocks": self = .badBlocks
    case "fsprobe": self = .probe(path: try words.next("a directory"))
    case "sync": self = .synchronize
    default:
      self = .machine(try MachineOperation(verb: verb, parsing: &words))
    }
  }

  private static func makeFile(_ words: inout Words) throws(Words.Failure) -> Self {
    let path = try words.next("a path")
    let length = try words.number("a length")
    let value = try words.number("a value")
    guard length >= 0, length <= 1 << 32 else {
      throw Words.Failure(expected: "expected a length of at most 4 GiB, not \(length)")
    }
    return .makeFile(path: path, length: length, value: UInt8(truncatingIfNeeded: value))
  }

  /// What follows the first `count` words, with its spaces.
  private static func rest(of line: String, after count: Int) -> String {
    var rest = Substring(line)
    for _ in 0..<count {
      rest = rest.drop { $0 == " " }
      rest = rest.drop { $0 != " " }
    }
    return String(rest.drop { $0 == " " })
  }
}

extension Words {
  mutating func target() throws(Failure) -> Target {
    Target(parsing: try next("a target (A:m0+0x3000, file:PATH+0, dax:NAME+0, var:NAME, …)"))
  }
}

extension Target {
  init(parsing text: String) {
    var place = Substring(text)
    var offset: UInt64 = 0
    if let plus = text.lastIndex(of: "+") {
      place = text[..<plus]
      offset = Self.offset(text[text.index(after: plus)...])
    }
    guard let colon = place.firstIndex(of: ":") else {
      self = .unknown(text)
      return
    }
    let name = String(place[place.index(after: colon)...])
    let kind = place[..<colon]
    if kind.count == 1, let letter = kind.first, let actor = Actor(letter: letter) {
      self = .mapping(actor, name: name, offset: offset)
      return
    }
    switch kind {
    case "file": self = .file(path: name, offset: offset)
    case "bdev": self = .block(name: name, offset: offset)
    case "dax": self = .device(name: name, offset: offset)
    case "var": self = .variable(name: name, offset: offset)
    case "phys": self = .physical(Self.offset(name) &+ offset)
    default: self = .unknown(text)
    }
  }

  private static func offset(_ text: some StringProtocol) -> UInt64 {
    UInt64(bitPattern: Words.number(text) ?? 0)
  }
}
