extension MachineOperation {
  init(parsing words: inout Words) throws(Words.Failure) {
    let name = try words.next("an operation on the machine")
    guard let verb = Self.verbs[name] else {
      throw Words.Failure(
        expected: "expected an operation on the machine "
          + "(\(Self.verbs.keys.sorted().joined(separator: ", "))), not \"\(name)\"")
    }
    self = try verb.read(&words)
  }

  /// Every operation on the machine.
  static let verbs: [String: Verb<Self>] = [
    "disable-namespace": Verb("NAMESPACE") { words throws(Words.Failure) in
      .disableNamespace(try words.namespace())
    },
    "enable-namespace": Verb("NAMESPACE") { words throws(Words.Failure) in
      .enableNamespace(try words.namespace())
    },
    "unbind": Verb("NAMESPACE") { words throws(Words.Failure) in
      .unbind(try words.namespace())
    },
    "sysctl": Verb("SYSCTL VALUE") { words throws(Words.Failure) in
      .sysctl(name: try words.next("a sysctl of vm"), value: try words.number("a value"))
    },
    "mkfs": Verb(
      "xfs|ext4 DEVICE [reflink=0] [rmapbt=0] [su=BYTES] [bs=BYTES] [agcount=N] [log=BYTES] [logdev=DEVICE]"
    ) { words throws(Words.Failure) in
      .makeFilesystem(try FilesystemRequest(parsing: &words))
    },
    "mount": Verb("DEVICE [OPTIONS]") { words throws(Words.Failure) in
      .mount(
        device: try words.next("a device"),
        options: words.isEmpty
          ? [] : try words.next("options").split(separator: ",").map(String.init))
    },
    "umount": Verb("") { _ in .unmount },
    "remount": Verb("") { _ in .remount },
    "test-namespace": Verb("N fsdax|devdax") { words throws(Words.Failure) in
      let number = try words.number("a number 0 to 7")
      let kind = try words.next("fsdax or devdax")
      guard (0...7).contains(number), kind == "fsdax" || kind == "devdax" else {
        throw Words.Failure(expected: "expected a number 0 to 7, and fsdax or devdax")
      }
      return .testNamespace(Int(number), isBlock: kind == "fsdax")
    },
    "inject-error": Verb("NAMESPACE SECTOR COUNT [quiet|remove]") {
      words throws(Words.Failure) in .injectError(try ErrorRequest(parsing: &words))
    },
    "clear-errors": Verb("NAMESPACE") { words throws(Words.Failure) in
      .clearErrors(namespace: try words.namespace())
    },
    "start-scrub": Verb("") { _ in .startScrub },
    "place": Verb("PLACE") { words throws(Words.Failure) in
      .place(try words.choice("a place", of: MetadataPlace.self))
    },
    "sector": Verb("PATH OFFSET") { words throws(Words.Failure) in
      .sector(path: try words.next("a path"), offset: try words.number("an offset"))
    },
    "create": Verb("PATH") { words throws(Words.Failure) in
      .fileCommand(.create(path: try words.next("a path")))
    },
    "rm": Verb("PATH") { words throws(Words.Failure) in
      .fileCommand(.remove(path: try words.next("a path")))
    },
    "fsync": Verb("PATH") { words throws(Words.Failure) in
      .fileCommand(.synchronize(path: try words.next("a path")))
    },
    "write": Verb("PATH OFFSET LENGTH VALUE") { words throws(Words.Failure) in
      .fileCommand(
        .write(
          path: try words.next("a path"), part: try words.part(),
          value: UInt8(truncatingIfNeeded: try words.number("a value"))))
    },
    "extsize": Verb("PATH BYTES") { words throws(Words.Failure) in
      .fileCommand(
        .extentSizeHint(path: try words.next("a path"), length: try words.number("a length")))
    },
    "clone-range": Verb("PATH PATH OFFSET OFFSET LENGTH") { words throws(Words.Failure) in
      .fileCommand(
        .clone(
          from: try words.next("a path"), to: try words.next("a path"),
          fromOffset: try words.number("an offset"), toOffset: try words.number("an offset"),
          length: try words.number("a length")))
    },
    "ftruncate": Verb("PATH LENGTH") { words throws(Words.Failure) in
      .fileCommand(
        .truncate(path: try words.next("a path"), length: try words.number("a length")))
    },
    "fallocate": Verb("PATH plain|punch|zero|unshare OFFSET LENGTH") {
      words throws(Words.Failure) in
      .fileCommand(
        .allocate(
          path: try words.next("a path"),
          mode: try words.choice("a mode", of: AllocationMode.self), part: try words.part()))
    },
    "nothing": Verb("") { _ in .nothing },
  ]
}

extension ErrorRequest {
  fileprivate init(parsing words: inout Words) throws(Words.Failure) {
    let namespace = try words.namespace()
    let block = try words.number("a sector")
    let count = try words.number("a count")
    guard block >= 0, count >= 0 else {
      throw Words.Failure(expected: "expected a sector and a count from 0")
    }
    self.init(namespace: namespace, block: UInt64(block), count: UInt64(count))
    guard !words.isEmpty else { return }
    switch try words.next("quiet or remove") {
    case "quiet": notifies = false
    case "remove": removes = true
    case let word: throw Words.Failure(expected: "expected quiet or remove, not \"\(word)\"")
    }
  }
}

extension FilesystemRequest {
  /// `xfs|ext4 DEVICE [reflink=0] [rmapbt=0] [su=BYTES] [bs=BYTES]`
  fileprivate init(parsing words: inout Words) throws(Words.Failure) {
    let word = try words.next("a filesystem (xfs|ext4)")
    guard let kind = Kind(rawValue: word) else {
      throw Words.Failure(expected: "expected a filesystem (xfs|ext4), not \"\(word)\"")
    }
    self.init(kind: kind, device: try words.next("a device"))
    while !words.isEmpty {
      let option = try words.next("an option")
      let pair = option.split(separator: "=", maxSplits: 1)
      if pair.count == 2, pair[0] == "logdev" {
        logDevice = String(pair[1])
        continue
      }
      guard pair.count == 2, let value = Words.number(pair[1]), value >= 0, value < 1 << 40 else {
        throw Words.Failure(expected: "expected NAME=NUMBER, not \"\(option)\"")
      }
      switch pair[0] {
      case "reflink": reflink = value != 0
      case "rmapbt": reverseMap = value != 0
      case "su": stripeUnit = Int(value)
      case "bs": blockSize = Int(value)
      case "agcount": allocationGroups = Int(value)
      case "log": logSize = Int(value)
      default:
        throw Words.Failure(
          expected: "expected reflink, rmapbt, su, bs, agcount, log or logdev, not \"\(pair[0])\"")
      }
    }
  }
}

extension Words {
  /// `0.0`, or `namespace0.0` as ndctl says it.
  mutating func namespace() throws(Failure) -> Int {
    let word = try next("a namespace (0.0)")
    guard let number = Self.namespace(word) else {
      throw Failure(expected: "expected a namespace (0.0), not \"\(word)\"")
    }
    return number
  }

  static func namespace(_ text: some StringProtocol) -> Int? {
    let number = text.hasPrefix("namespace") ? text.dropFirst("namespace".count) : text[...]
    let parts = number.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1] == "0", let value = Int(parts[0]), value >= 0 else {
      return nil
    }
    return value
  }
}
