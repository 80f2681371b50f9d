internal import MemoryFailure

/// One step of a random history, as a line of the language says it.
///
/// Actors are A to E, mappings m0 and m1, pages count from the mapping's or the file's beginning. What is mapped is file 0
/// or 1, or device 2 (4 KiB pages) or 3 (2 MiB).
enum RandomStep: Hashable, Sendable {
  case start(Int)
  case map(Int, Int, object: Int, page: Int, pages: Int, isPrivate: Bool)
  case unmap(Int, Int)
  case load(Int, Int, page: Int)
  case store(Int, Int, page: Int, value: UInt8)
  case dontNeed(Int, Int, page: Int)
  case fork(Int, Int)
  case thread(Int, Int)
  case exit(Int)
  case policy(Int, KillPolicy)
  case handler(Int, String)
  case sysctl(Bool)
  /// madvise(MADV_HWPOISON) by the actor.
  case advise(Int, Int, page: Int)
  /// corrupt-pfn by nobody in particular.
  case inject(Int, Int, page: Int)
  case machineCheck(Int, Int, page: Int)
  case write(Int, file: Int, page: Int, pages: Int)
  case truncate(Int, file: Int, pages: Int)
  case punch(Int, file: Int, page: Int, pages: Int)
  case clone(Int, Int)

  static let actors = 5
  static let filePages = 8

  static func random(using random: inout some RandomNumberGenerator) -> RandomStep {
    func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }
    let actor = pick(actors)
    let map = pick(2)
    let page = pick(4)
    switch pick(44) {
    case 0: return .start(actor)
    case 1...7:
      let object = [0, 0, 0, 1, 1, 2, 3][pick(7)]
      return .map(
        actor, map, object: object, page: pick(3), pages: 1 + pick(6), isPrivate: pick(4) == 0)
    case 8: return .unmap(actor, map)
    case 9...15: return .load(actor, map, page: page)
    case 16...20:
      return .store(actor, map, page: page, value: UInt8.random(in: 1...255, using: &random))
    case 21: return .dontNeed(actor, map, page: page)
    case 22: return .fork(actor, pick(actors))
    case 23: return .thread(actor, pick(actors))
    case 24: return pick(3) == 0 ? .exit(actor) : .policy(actor, .early)
    case 25...26: return .policy(actor, [.early, .early, .late, .standard][pick(4)])
    case 27...28: return .handler(actor, ["on", "on", "default", "ignore", "block"][pick(5)])
    case 29: return .sysctl(pick(2) == 0)
    case 30...31: return .advise(actor, map, page: page)
    case 32...33: return .inject(actor, map, page: page)
    case 34: return .machineCheck(actor, map, page: page)
    case 35: return .write(actor, file: pick(2), page: pick(filePages), pages: 1 + pick(3))
    case 36, 40: return .truncate(actor, file: pick(2), pages: pick(filePages + 1))
    case 37...39: return .punch(actor, file: pick(2), page: pick(filePages), pages: 1 + pick(3))
    default: return .clone(pick(2), pick(2))
    }
  }

  /// The actors, with something mapped.
  static let beginning: [RandomStep] = [
    .start(0), .start(1), .start(2),
    .map(0, 0, object: 0, page: 0, pages: 4, isPrivate: false),
    .map(1, 0, object: 0, page: 0, pages: 4, isPrivate: false),
    .map(2, 0, object: 1, page: 0, pages: 4, isPrivate: false),
    .handler(0, "on"), .handler(1, "on"),
  ]

  static func size(_ object: Int) -> Int { object == 3 ? 2 << 20 : 4096 }

  static func path(_ object: Int) -> String {
    ["/mnt/f0", "/mnt/f1", "/dev/dax1.0", "/dev/dax0.0"][object]
  }

  private static func name(_ actor: Int) -> String {
    String(Character(Unicode.Scalar(UInt8(65 + actor))))
  }

  /// The line. `size` is the page size of the mapping that is named.
  func text(size: Int) -> String {
    let name = Self.name
    return switch self {
    case .start(let actor): "- proc \(name(actor))"
    case .map(let actor, let map, let object, let page, let pages, let isPrivate):
      "\(name(actor)) map m\(map) \(Self.path(object)) \(page * Self.size(object)) "
        + "\(pages * Self.size(object)) \(isPrivate ? "private" : "shared")"
    case .unmap(let actor, let map): "\(name(actor)) unmap m\(map)"
    case .load(let actor, let map, let page): "\(name(actor)) rd m\(map) \(page * size)"
    case .store(let actor, let map, let page, let value):
      "\(name(actor)) wr m\(map) \(page * size) \(value)"
    case .dontNeed(let actor, let map, let page):
      "\(name(actor)) madv m\(map) \(page * size) \(size) dontneed"
    case .fork(let actor, let child): "\(name(actor)) fork \(name(child))"
    case .thread(let actor, let new): "\(name(actor)) thread \(name(new))"
    case .exit(let actor): "\(name(actor)) exit"
    case .policy(let actor, .early): "\(name(actor)) early"
    case .policy(let actor, .late): "\(name(actor)) late"
    case .policy(let actor, .standard): "\(name(actor)) dflt"
    case .handler(let actor, let how): "\(name(actor)) handler \(how)"
    case .sysctl(let isOn): "- sysctl memory_failure_early_kill \(isOn ? 1 : 0)"
    case .advise(let actor, let map, let page):
      "\(name(actor)) madv m\(map) \(page * size) 4096 hwpoison"
    case .inject(let actor, let map, let page): "- hwp \(name(actor)):m\(map)+\(page * size)"
    case .machineCheck(let actor, let map, let page):
      "- mce \(name(actor)):m\(map)+\(page * size)"
    case .write(let actor, let file, let page, let pages):
      "\(name(actor)) pwrite \(Self.path(file)) \(page * 4096) \(pages * 4096)"
    case .truncate(let actor, let file, let pages):
      "\(name(actor)) truncate \(Self.path(file)) \(pages * 4096)"
    case .punch(let actor, let file, let page, let pages):
      "\(name(actor)) falloc \(Self.path(file)) punch \(page * 4096) \(pages * 4096)"
    case .clone(let from, let to): "- reflink \(Self.path(from)) \(Self.path(to))"
    }
  }
}
