internal import MemoryFailure

extension CoordinatorOperation {
  init(parsing words: inout Words, line: String) throws(Words.Failure) {
    let name = try words.next("an operation")
    switch name {
    // What a shell or a reader gets is the rest of the line, as it stands.
    case "sh": self = .shell(command: Self.rest(of: line, after: 2))
    case "setup": self = .setup(command: Self.rest(of: line, after: 2))
    case "setvar":
      let variable = try words.next("a variable")
      self = .setVariable(name: variable, command: Self.rest(of: line, after: 3))
    case "note": self = .note
    default:
      if let verb = Self.verbs[name] {
        self = try verb.read(&words)
      } else if let verb = MachineOperation.verbs[name] {
        self = .machine(try verb.read(&words))
      } else {
        let known = (Array(Self.verbs.keys) + Self.texts.keys + MachineOperation.verbs.keys)
          .sorted()
        throw Words.Failure(
          expected: "expected an operation of the coordinator or the machine "
            + "(\(known.joined(separator: ", "))), not \"\(name)\"")
      }
    }
  }

  /// Operations whose last operand is the rest of the line.
  static let texts = [
    "sh": "COMMAND", "setup": "COMMAND", "setvar": "VARIABLE COMMAND", "note": "TEXT",
  ]

  /// The coordinator's other operations.
  static let verbs: [String: Verb<Self>] = [
    "proc": Verb("ACTORS") { words throws(Words.Failure) in
      var actors: [Actor] = []
      for letter in try words.next("actors: ABC") {
        guard let actor = Actor(letter: letter) else {
          throw Words.Failure(expected: "expected actors A to H, not \"\(letter)\"")
        }
        actors.append(actor)
      }
      return .processes(actors)
    },
    "sleep": Verb("MS") { words throws(Words.Failure) in
      .sleep(milliseconds: try words.number("milliseconds"))
    },
    "save": Verb("VARIABLE TARGET") { words throws(Words.Failure) in
      .save(name: try words.next("a variable"), target: try words.target())
    },
    "hwp": Verb("TARGET") { words throws(Words.Failure) in .inject(try words.target()) },
    "unpoison": Verb("TARGET") { words throws(Words.Failure) in .unpoison(try words.target()) },
    "page": Verb("TARGET") { words throws(Words.Failure) in .page(try words.target()) },
    "mce": Verb("TARGET") { words throws(Words.Failure) in .machineCheck(try words.target()) },
    "mcear": Verb("TARGET") { words throws(Words.Failure) in
      .machineCheckConsumed(try words.target())
    },
    "softoff": Verb("TARGET") { words throws(Words.Failure) in .softOffline(try words.target()) },
    "latent": Verb("TARGET [BYTES]") { words throws(Words.Failure) in
      let target = try words.target()
      let length = words.isEmpty ? 512 : try words.number("a length")
      guard length > 0, length <= 1 << 30 else {
        throw Words.Failure(expected: "expected a length of at most 1 GiB, not \(length)")
      }
      return .makeLatent(target, length: length)
    },
    "fiemap": Verb("PATH") { words throws(Words.Failure) in
      .extents(path: try words.next("a path"))
    },
    "statxdax": Verb("PATH") { words throws(Words.Failure) in
      .daxState(path: try words.next("a path"))
    },
    "reflink": Verb("PATH PATH") { words throws(Words.Failure) in
      .clone(from: try words.next("a path"), to: try words.next("a path"))
    },
    "mkfile": Verb("PATH LENGTH VALUE") { words throws(Words.Failure) in try makeFile(&words) },
    "badblocks": Verb("") { _ in .badBlocks },
    "fsprobe": Verb("DIRECTORY") { words throws(Words.Failure) in
      .probe(path: try words.next("a directory"))
    },
    "sync": Verb("") { _ in .synchronize },
  ]

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
