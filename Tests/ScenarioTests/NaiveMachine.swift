internal import MemoryFailure
internal import PmemBase

/// What a history should come to, said with dictionaries of pages: no extents, no entries, no windows, no counts.
struct NaiveMachine {
  struct Map {
    let object: Int
    let page: Int
    let pages: Int
    let isPrivate: Bool
    /// Private copies, by page of the mapping.
    var copies: [Int: UInt8] = [:]
  }

  struct Thread {
    var policy = KillPolicy.standard
    var isBlocked = false
    var isPending = false
  }

  struct Process {
    var maps: [Int: Map] = [:]
    /// By actor; the first in `order` is the main thread.
    var threads: [Int: Thread] = [:]
    var order: [Int] = []
    var handler = "default"
  }

  /// One page of content; files that share it name the same number.
  struct Block {
    var value: UInt8
    var isBad = false
  }

  let kernel: KernelBehavior
  let hasReflink: Bool
  /// By the simulator's number.
  var processes: [Int: Process] = [:]
  /// The living process of an actor.
  var homes: [Int: Int] = [:]
  var blocks: [Int: Block] = [:]
  var files: [[Int?]] = [[], []]
  var devices: [Int: [Int: UInt8]] = [2: [:], 3: [:]]
  var early = false
  /// A bad block is free: whoever gets it next fails, and nobody knows who that is.
  var hasFreedBad = false
  /// The page of zeroes was poisoned: it stays where it is, and whoever needs it next is told.
  var zeroIsMarked = false
  private var nextBlock = 0

  init(_ kernel: KernelBehavior, hasReflink: Bool) {
    self.kernel = kernel
    self.hasReflink = hasReflink
    for file in 0...1 {
      files[file] = (0..<RandomStep.filePages).map { _ in newBlock(UInt8(0x11 * (file + 1))) }
    }
  }

  mutating func newBlock(_ value: UInt8) -> Int {
    nextBlock += 1
    blocks[nextBlock] = Block(value: value)
    return nextBlock
  }

  func owners(of block: Int) -> Int {
    files.reduce(0) { $0 + $1.count { $0 == block } }
  }

  func map(_ actor: Int, _ map: Int) -> Map? { homes[actor].flatMap { processes[$0]?.maps[map] } }

  /// What a file or device has at a page of a mapping.
  enum Content: Equatable {
    case beyond
    case hole
    case block(Int)
    case device(UInt8)
  }

  func content(_ map: Map, _ page: Int) -> Content {
    let page = map.page + page
    if map.object > 1 { return .device(devices[map.object]![page] ?? 0) }
    guard page < files[map.object].count else { return .beyond }
    return files[map.object][page].map(Content.block) ?? .hole
  }

  /// A page of a file gets a value; a shared one in a block of its own.
  mutating func put(_ value: UInt8, file: Int, page: Int) {
    if let block = files[file][page], owners(of: block) == 1 {
      blocks[block]!.value = value
    } else {
      files[file][page] = newBlock(value)
    }
  }

  mutating func replace(_ file: Int, _ page: Int, by block: Int?) {
    let old = files[file][page]
    files[file][page] = block
    forget(old)
  }

  mutating func forget(_ block: Int?) {
    if let block, owners(of: block) == 0, blocks[block]!.isBad { hasFreedBad = true }
  }

  mutating func end(_ process: Int) {
    processes[process] = nil
    homes = homes.filter { $0.value != process }
  }

  /// The thread that is told of a page that its process maps; nil if none is.
  func target(_ process: Int, current: Int?) -> Int? {
    if let current, homes[current] == process { return current }
    return processes[process]?.order.first {
      processes[process]!.threads[$0]!.policy.wantsEarlyKill(sysctl: early)
    }
  }
}
