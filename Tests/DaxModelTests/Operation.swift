import DaxModel

/// One step of the random test. Every argument is a small number that means something in any state,
/// so that the steps before it can be dropped.
enum Operation: Equatable {
  /// mmap: `pages` at page `at` show the device from its page `from`.
  case map(space: Int, device: Int, at: Int, pages: Int, from: Int, writable: Bool)
  case begin(space: Int, call: Call, at: Int, pages: Int)
  /// The nth change under way; one that does not exist is an unknown id. `place` chooses where a
  /// move goes.
  case complete(space: Int, change: Int, succeeded: Bool, place: Int)
  case abandon(space: Int, change: Int)
  /// A touch; `fails`: the page cannot be installed, and is taken back.
  case fault(space: Int, at: Int, around: Int, fails: Bool)
  case populate(space: Int, at: Int, pages: Int, limit: Int)
  /// The engine takes back, late, what may be somebody else's by now.
  case retract(space: Int, device: Int, at: Int, pages: Int)
  /// fork: the child begins with the parent's windows and no entry.
  case adopt(parent: Int, child: Int)
  case exit(space: Int)
  /// get_user_pages of a folio, or its end.
  case get(device: Int, folio: Int)
  case put(device: Int, folio: Int)
}

/// A system call of ``Operation/begin(space:call:at:pages:)``.
enum Call: Equatable {
  case unmap
  case zap
  case protect(writable: Bool)
  case move(pages: Int, to: Int, mayMove: Bool, fixed: Bool)
  case sync(UInt32)
  case advise(Int32)
}

extension Operation {
  /// Any step, in proportions that keep windows and changes coming and going.
  static func random(using generator: inout some RandomNumberGenerator) -> Operation {
    func any(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }
    let space = any(0..<3)
    let at = randomPage(using: &generator)
    switch any(0..<100) {
    case 0..<14:
      let huge = Bool.random(using: &generator)
      return .map(
        space: space, device: huge ? 1 : 0, at: huge && any(0..<12) > 0 ? at & ~511 : at,
        pages: huge ? 512 * any(1..<4) : any(1..<10),
        from: huge ? 512 * any(0..<4) + (any(0..<12) == 0 ? 1 : 0) : any(0..<26),
        writable: any(0..<4) > 0)
    case 14..<38:
      let huge = Bool.random(using: &generator)
      let call = Call.random(huge: huge, using: &generator)
      return .begin(
        space: space, call: call, at: huge && any(0..<6) > 0 ? at & ~511 : at,
        pages: huge ? 512 * any(0..<3) + (any(0..<5) == 0 ? any(0..<512) : 0) : any(0..<12))
    case 38..<58:
      return .complete(
        space: space, change: any(0..<3), succeeded: any(0..<6) > 0, place: any(0..<Arena.pages))
    case 58..<61: return .abandon(space: space, change: any(0..<3))
    case 61..<82:
      return .fault(
        space: space, at: at, around: [0, 0, 1, 4, 7, 16].randomElement(using: &generator)!,
        fails: any(0..<8) == 0)
    case 82..<87:
      return .populate(
        space: space, at: at,
        pages: [any(0..<12), any(0..<1600)].randomElement(using: &generator)!,
        limit: any(1..<9))
    case 87..<90:
      return .retract(space: space, device: any(0..<2), at: at, pages: any(1..<520))
    case 90..<93: return .adopt(parent: space, child: any(0..<3))
    case 93..<94: return .exit(space: space)
    case 94..<97: return .get(device: any(0..<2), folio: any(0..<4))
    default: return .put(device: any(0..<2), folio: any(0..<4))
    }
  }

  /// Pages near the edges of 2 MiB blocks, where mistakes are.
  private static func randomPage(using generator: inout some RandomNumberGenerator) -> Int {
    let block = Int.random(in: 0..<Arena.pages / 512, using: &generator)
    let inside = Int.random(in: 0..<8, using: &generator)
    return block * 512 + (inside < 6 ? inside : 504 + inside)
  }

  /// Simpler steps that may stand for this one.
  func simpler() -> [Operation] {
    switch self {
    case .map(let space, let device, let at, let pages, let from, let writable):
      return lower(space).map {
        .map(space: $0, device: device, at: at, pages: pages, from: from, writable: writable)
      }
        + lower(at).map {
          .map(space: space, device: device, at: $0, pages: pages, from: from, writable: writable)
        }
        + lower(pages).map {
          .map(space: space, device: device, at: at, pages: $0, from: from, writable: writable)
        }
        + lower(from).map {
          .map(space: space, device: device, at: at, pages: pages, from: $0, writable: writable)
        }
    case .begin(let space, let call, let at, let pages):
      return lower(space).map { .begin(space: $0, call: call, at: at, pages: pages) }
        + lower(at).map { .begin(space: space, call: call, at: $0, pages: pages) }
        + lower(pages).map { .begin(space: space, call: call, at: at, pages: $0) }
        + call.simpler().map { .begin(space: space, call: $0, at: at, pages: pages) }
    case .complete(let space, let change, let succeeded, let place):
      return lower(space).map {
        .complete(space: $0, change: change, succeeded: succeeded, place: place)
      }
        + lower(change).map {
          .complete(space: space, change: $0, succeeded: succeeded, place: place)
        }
        + lower(place).map {
          .complete(space: space, change: change, succeeded: succeeded, place: $0)
        }
    case .abandon(let space, let change):
      return lower(space).map { .abandon(space: $0, change: change) }
        + lower(change).map { .abandon(space: space, change: $0) }
    case .fault(let space, let at, let around, let fails):
      return (fails ? [.fault(space: space, at: at, around: around, fails: false)] : [])
        + lower(space).map { .fault(space: $0, at: at, around: around, fails: fails) }
        + lower(around).map { .fault(space: space, at: at, around: $0, fails: fails) }
        + lower(at).map { .fault(space: space, at: $0, around: around, fails: fails) }
    case .populate(let space, let at, let pages, let limit):
      return lower(space).map { .populate(space: $0, at: at, pages: pages, limit: limit) }
        + lower(at).map { .populate(space: space, at: $0, pages: pages, limit: limit) }
        + lower(pages).map { .populate(space: space, at: at, pages: $0, limit: limit) }
    case .retract(let space, let device, let at, let pages):
      return lower(space).map { .retract(space: $0, device: device, at: at, pages: pages) }
        + lower(at).map { .retract(space: space, device: device, at: $0, pages: pages) }
        + lower(pages).map { .retract(space: space, device: device, at: at, pages: $0) }
    case .adopt(let parent, let child):
      return lower(parent).map { .adopt(parent: $0, child: child) }
        + lower(child).map { .adopt(parent: parent, child: $0) }
    case .exit(let space): return lower(space).map { .exit(space: $0) }
    case .get(let device, let folio): return lower(folio).map { .get(device: device, folio: $0) }
    case .put(let device, let folio): return lower(folio).map { .put(device: device, folio: $0) }
    }
  }
}

extension Call {
  static func random(huge: Bool, using generator: inout some RandomNumberGenerator) -> Call {
    func any(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }
    switch any(0..<20) {
    case 0..<4: return .unmap
    case 4..<7: return .zap
    case 7..<10: return .protect(writable: Bool.random(using: &generator))
    case 10..<17:
      let unaligned = any(0..<4) == 0 ? 1 : 0
      return .move(
        pages: (huge ? 512 * any(0..<4) : any(0..<12)) + (any(0..<8) == 0 ? 1 : 0),
        to: (huge ? 512 * any(0..<4) : any(0..<4) * 512 + any(0..<12)) + unaligned,
        mayMove: any(0..<5) > 0, fixed: any(0..<3) == 0)
    case 17: return .sync([0, 1, 2, 4, 5, 8].randomElement(using: &generator)!)
    default:
      return .advise(
        [0, 1, 2, 3, 4, 8, 9, 10, 11, 14, 15, 15, 14, 22, 23, 24, 100].randomElement(
          using: &generator)!)
    }
  }

  func simpler() -> [Call] {
    guard case .move(let pages, let to, let mayMove, let fixed) = self else { return [] }
    return lower(pages).map { .move(pages: $0, to: to, mayMove: mayMove, fixed: fixed) }
      + lower(to).map { .move(pages: pages, to: $0, mayMove: mayMove, fixed: fixed) }
  }
}

/// Smaller numbers, the smallest first.
private func lower(_ number: Int) -> [Int] {
  number == 0
    ? [] : Array(Set([0, number & ~511, number / 2, number - 1]).subtracting([number])).sorted()
}
