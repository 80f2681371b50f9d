internal import OwnerIndex
import TestSupport
import Testing

@Suite struct `the owner index` {
  static let seeds = SeededGenerator.seeds([1, 2, 3])

  /// Catches an owner that is lost, doubled or shifted by any history of clones, copies, truncates and punches: every block
  /// is compared with a dictionary after every step.
  @Test(.timeLimit(.minutes(20)), arguments: seeds)
  func `agrees with a dictionary after any history`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    for sequence in 0..<300 {
      let operations = (0..<24).map { _ in OwnerOperation.random(using: &generator) }
      guard let found = IndexRun.difference(operations) else { continue }
      let shrinker = Shrinker<OwnerOperation>(simpler: \.simpler) {
        IndexRun.difference($0) != nil
      }
      let small = shrinker.shrink(Array(operations.prefix(found.step + 1)))
      Issue.record(
        """
        seed \(seed), sequence \(sequence), step \(found.step): \(found.text)
        shrunk: \(IndexRun.difference(small)?.text ?? "")
        \(small.map { "  .\($0)," }.joined(separator: "\n"))
        """)
      return
    }
  }

  /// Catches an index that keeps a record for each block, or one that never joins what was cut.
  @Test func `keeps one record for what is one run`() {
    var index = OwnerIndex(blockCount: 8192)
    index.add(.file(inode: 1, page: 0), to: 0..<1000)
    for page in stride(from: UInt64(1), to: 1000, by: 2) {
      index.add(.file(inode: 2, page: page), to: page..<page + 1)
    }
    #expect(index.recordCount == 1000)
    for page in stride(from: UInt64(1), to: 1000, by: 2) {
      index.remove(.file(inode: 2, page: page), from: page..<page + 1)
    }
    #expect(index.recordCount == 1)
    #expect(index.owners(of: 999) == [.file(inode: 1, page: 999)])
  }

  /// A clone of a whole file must not cost a list for each page of it.
  @Test func `shares one list among the parts of a clone`() {
    var index = OwnerIndex(blockCount: 1 << 20)
    for inode in 1...100 as ClosedRange<UInt64> {
      index.add(.file(inode: inode, page: 0), to: 0..<2048)
    }
    #expect(index.recordCount == 1)
    #expect(index.owners(of: 2047).count == 100)
    index.remove(.file(inode: 7, page: 100), from: 100..<101)
    #expect(index.owners(of: 100).count == 99)
    #expect(index.recordCount == 3)
    #expect(index.byteCount < 300_000)
  }

  /// Catches a list that is given to two runs, or one that nobody gets back.
  @Test func `gives lists back, however many there were`() {
    var index = OwnerIndex(blockCount: 8192)
    var sizes: [Int] = []
    for round in 0..<3 as Range<UInt64> {
      for owner in [10, 20 + round] {
        for block in stride(from: UInt64(0), to: 4096, by: 2) {
          index.add(.file(inode: owner, page: block * 7), to: block..<block + 1)
        }
      }
      for block in stride(from: UInt64(0), to: 4096, by: 2) {
        #expect(
          index.owners(of: block) == [
            .file(inode: 10, page: block * 7), .file(inode: 20 + round, page: block * 7),
          ])
      }
      sizes.append(index.byteCount)
      for owner in [20 + round, 10] {
        for block in stride(from: UInt64(0), to: 4096, by: 2) {
          #expect(index.remove(.file(inode: owner, page: block * 7), from: block..<block + 1) == 1)
        }
      }
      #expect(index.recordCount == 0)
    }
    #expect(sizes == [sizes[0], sizes[0], sizes[0]])
  }

  /// The last chunk is smaller; what lies behind the device's end is free and not a crash.
  @Test func `has nothing behind the end of the device`() {
    var index = OwnerIndex(blockCount: 100)
    index.add(.metadata(.log), to: 90..<100)
    #expect(index.owners(of: 99) == [.metadata(.log)])
    #expect(index.owners(of: 100) == [])
    #expect(index.owners(of: .max) == [])
    #expect(index.runs(in: 0..<1000) == [OwnerRun(blocks: 90..<100, owners: [.metadata(.log)])])
  }
}
