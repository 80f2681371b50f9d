extension MachineOperation {
  init(parsing words: inout Words) throws(Words.Failure) {
    let verb = try words.next("an operation on the machine")
    try self.init(verb: verb, parsing: &words)
  }

  init(verb: String, parsing words: inout Words) throws(Words.Failure) {
    switch verb {
    case "disable-namespace": self = .disableNamespace(try words.namespace())
    case "enable-namespace": self = .enableNamespace(try words.namespace())
    case "unbind": self = .unbind(try words.namespace())
    case "sysctl":
      self = .sysctl(name: try words.next("a sysctl of vm"), value: try words.number("a value"))
    case "mkfs": self = .makeFilesystem(try FilesystemRequest(parsing: &words))
    case "mount":
      self = .mount(
        device: try words.next("a device"),
        options: words.isEmpty
          ? [] : try words.next("options").split(separator: ",").map(String.init))
    case "umount": self = .unmount
    case "remount": self = .remount
    case "test-namespace":
      let number = try words.number("a number 0 to 7")
      let kind = try words.next("fsdax or devdax")
      guard (0...7).contains(number), kind == "fsdax" || kind == "devdax" else {
        throw Words.Failure(expected: "expected a number 0 to 7, and fsdax or devdax")
      }
      self = .testNamespace(Int(number), isBlock: kind == "fsdax")
    case "inject-error": self = .injectError(try ErrorRequest(parsing: &words))
    case "clear-errors": self = .clearErrors(namespace: try words.namespace())
    case "start-scrub": self = .startScrub
    case "place": self = .place(try words.choice("a place", of: MetadataPlace.self))
    case "sector":
      self = .sector(path: try words.next("a path"), offset: try words.number("an offset"))
    case "rm": self = .fileCommand(.remove(path: try words.next("a path")))
    case "nothing": self = .nothing
    default: self = .fileCommand(try FileCommand(verb: verb, parsing: &words))
    }
  }
}

extension FileCommand {
  fileprivate init(verb: String, parsing words: inout Words) throws(Words.Failure) {
    switch verb {
    case "create": self = .create(path: try words.next("a path"))
    case "write":
      self = .write(
        path: try words.next("a path"), part: try words.part(),
        value: UInt8(truncatingIfNeeded: try words.number("a value")))
    case "extsize":
      self = .extentSizeHint(
        path: try words.next("a path"), length: try words.number("a length"))
    case "clone-range":
      self = .clone(
        from: try words.next("a path"), to: try words.next("a path"),
        fromOffset: try words.number("an offset"), toOffset: try words.number("an offset"),
        length: try words.number("a length"))
    case "ftruncate":
      self = .truncate(path: try words.next("a path"), length: try words.number("a length"))
    case "fallocate":
      self = .allocate(
        path: try words.next("a path"), mode: try words.choice("a mode", of: AllocationMode.self),
        part: try words.part())
    case "fsync": self = .synchronize(path: try words.next("a path"))
    default:
      throw Words.Failure(
        expected: "expected an operation of the coordinator or the machine (proc, sh, hwp, mce, "
          + "sync and others, see docs/scenarios.md), not \"\(verb)\"")
    }
  }
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
