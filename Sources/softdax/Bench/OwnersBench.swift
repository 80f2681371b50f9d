internal import Latency
internal import LinuxSys
internal import OwnerIndex
internal import SystemPackage

/// The measurements of `bench owners`, interleaved.
struct OwnersBench {
  /// The b-tree of a C++ library; scripts/bench builds it.
  private static let btree = Companion(
    fileName: "libsoftdax-bench-btree.so", variable: "SOFTDAX_BENCH_BTREE",
    kind: "the b-tree to compare with")

  private let repetitions: Int
  private let queries: Int
  private let extents: Int
  private var index: OwnerIndex
  private var random = Xorshift()
  /// Some extents in a random order: what is cloned.
  private var sample: [Range<UInt64>] = []

  init(extents: Int, repetitions: Int, queries: Int) {
    self.extents = extents
    self.repetitions = repetitions
    self.queries = queries
    index = OwnerIndex(blockCount: 0)
  }

  /// Measures everything; a minute for ten million extents.
  mutating func run(filesystem: String?) throws -> OwnersBenchReport {
    var tree: BTreeBaseline?
    var skipped: [String] = []
    do throws(CommandFailure) {
      let path = try Self.btree.find()
      do throws(BTreeBaseline.Failure) {
        tree = try BTreeBaseline(library: path)
      } catch {
        throw CommandFailure("\(error)")
      }
    } catch {
      skipped.append("absl::btree_map: skipped, \(error)")
    }
    let building = fill(&tree)
    let memory = DependentLoads(bytes: UInt64(extents) * 24)

    var chained = OwnersBenchReport.Row(
      "owner of a block, in a chain", "absl::btree_map", .atMost(0.6))
    var loads = OwnersBenchReport.Row(
      "owner of a block, in a chain", "load, in a chain", .atMost(2))
    var free = OwnersBenchReport.Row("owner of a block, not in a chain", "absl::btree_map", nil)
    var clone = OwnersBenchReport.Row("clone of one extent", nil, .atMost(1000))
    var undo = OwnersBenchReport.Row("end of a clone", nil, nil)
    // The first repetition is not counted.
    for repetition in 0...repetitions {
      let load = time(queries) { _ = memory.chase(queries) }
      var sum: (ours: UInt64, theirs: UInt64?) = (0, nil)
      let inChain = time(queries) { sum.ours = chase(isDependent: true) }
      let inTree = tree.borrowed { tree in
        time(queries) {
          sum.theirs = tree.chase(queries, blocks: index.blockCount, isDependent: true)
        }
      }
      try agree(sum)
      let independent = time(queries) { sum.ours = chase(isDependent: false) }
      let treeIndependent = tree.borrowed { tree in
        time(queries) {
          sum.theirs = tree.chase(queries, blocks: index.blockCount, isDependent: false)
        }
      }
      try agree(sum)
      let cloning = cloneSample(as: UInt64(extents + repetition))
      let ending = uncloneSample(as: UInt64(extents + repetition))
      guard repetition > 0 else { continue }
      loads.add(inChain, load)
      if let inTree { chained.add(inChain, inTree) }
      free.add(independent, treeIndependent)
      clone.add(cloning, nil)
      undo.add(ending, nil)
    }
    var rows = [loads, chained, free, clone, undo].filter { $0.hasBothSides }
    if let filesystem {
      var asked = OwnersBenchReport.Row("owner of a block, in a chain", "GETFSMAP", .atMost(0.01))
      let scan = try FilesystemQueries(directory: filesystem, extents: extents, count: repetitions)
      for (ours, theirs) in zip(chained.softdax + loads.softdax, scan.nanoseconds) {
        asked.add(ours, theirs)
      }
      rows.append(asked)
    } else {
      skipped.append("GETFSMAP: skipped, --fs names no mounted XFS")
    }
    let snapshots = sample.prefix(repetitions).map { takeSnapshot(cloning: $0) }
    return OwnersBenchReport(
      host: HostFacts.current(), extents: extents, records: index.recordCount,
      repetitions: repetitions, queries: queries, control: Control(loads.other), rows: rows,
      skipped: skipped, bytesPerExtent: Double(index.byteCount) / Double(extents),
      appendNanoseconds: building, snapshotMicroseconds: median(snapshots) ?? 0)
  }

  /// ns for each extent that is appended, by the index alone.
  private mutating func fill(_ tree: inout BTreeBaseline?) -> Double {
    let lengths = (0..<extents).map { _ in UInt64.random(in: 1...31, using: &random) }
    index = OwnerIndex(blockCount: lengths.reduce(0, +))
    var next: UInt64 = 0
    let spent = time(extents) {
      for (number, length) in lengths.enumerated() {
        index.add(.file(inode: UInt64(number), page: 7), to: next..<next + length)
        next += length
      }
    }
    index.compact()
    next = 0
    // Extents that stay inside a chunk: one record each.
    for (number, length) in lengths.enumerated() {
      tree.borrowed { $0.append(next..<next + length, inode: UInt64(number), page: 7) }
      if number % max(1, extents / 100_000) == 0 { sample.append(next..<next + length) }
      next += length
    }
    sample.shuffle(using: &random)
    return spent
  }

  /// As `softdax_btree_chase`: the same blocks, the same sum.
  private func chase(isDependent: Bool) -> UInt64 {
    var random = Xorshift()
    var sum: UInt64 = 0
    var last: UInt64 = 0
    let blocks = index.blockCount
    for _ in 0..<queries {
      let mixed = isDependent ? random.next() ^ last : random.next()
      let block = mixed.multipliedFullWidth(by: blocks).high
      guard case .file(let inode, let page)? = index.firstOwner(of: block)?.owner else { return 0 }
      last = inode
      sum &+= inode ^ page
    }
    return sum
  }

  private mutating func cloneSample(as inode: UInt64) -> Double {
    time(sample.count) {
      for (number, blocks) in sample.enumerated() {
        index.add(.file(inode: inode, page: UInt64(number) * 64), to: blocks)
      }
    }
  }

  private mutating func uncloneSample(as inode: UInt64) -> Double {
    time(sample.count) {
      for (number, blocks) in sample.enumerated() {
        index.remove(.file(inode: inode, page: UInt64(number) * 64), from: blocks)
      }
    }
  }

  /// µs of the first clone after a copy of the index was taken, which somebody still reads.
  private mutating func takeSnapshot(cloning blocks: Range<UInt64>) -> Double {
    let copy = index
    let spent = time(1000) {
      index.add(.file(inode: UInt64(extents) * 2, page: 0), to: blocks)
    }
    precondition(copy.firstOwner(of: blocks.lowerBound)?.count == 1)
    return spent
  }

  private func agree(_ sum: (ours: UInt64, theirs: UInt64?)) throws {
    guard sum.ours != 0, sum.theirs == nil || sum.theirs == sum.ours else {
      throw CommandFailure("index and absl::btree_map gave different answers: not a measurement")
    }
  }
}

/// ns for each of `count`.
private func time(_ count: Int, _ body: () -> Void) -> Double {
  let begun = MonotonicClock.now
  body()
  return Double(MonotonicClock.now - begun) / Double(count)
}

/// CSoftdax/bench_owners.c and CSupport/Bench/btree.cc walk by the same numbers.
private struct Xorshift: RandomNumberGenerator {
  private var state: UInt64 = 88_172_645_463_325_252

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

extension Optional where Wrapped: ~Copyable {
  /// Does something with what is there, if it is.
  fileprivate borrowing func borrowed<Result>(_ body: (borrowing Wrapped) -> Result) -> Result? {
    switch self {
    case .some(let wrapped): body(wrapped)
    case .none: nil
    }
  }
}
