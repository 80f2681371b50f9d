import DaxModel
import PageModel
import PmemBase
import Testing

@Suite struct `the owner that a page names` {
  static let legacy: [KernelBehavior] = [.v6_1, .v6_12]

  private func exclusive(_ inode: UInt64, _ page: UInt64, _ size: PageSize = .base) -> FolioOwner {
    FolioOwner(mapping: .file(inode), word: page, size: size)
  }

  /// Two files that share four blocks.
  private func pair(_ machine: Machine) -> (Opened, Opened) {
    let one = machine.file(1, pages: 4, block: 64)
    let other = machine.file(2, pages: 4, block: 64)
    one.file.shared = [64, 65, 66, 67]
    other.file.shared = one.file.shared
    one.map(1)
    other.map(2)
    return (one, other)
  }

  /// Catches an owner that is not noted, or at the wrong page.
  @Test(arguments: KernelBehavior.allCases)
  func `OW-01: the first fault notes file and page`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(9, pages: 10, block: 64)
    opened.map()
    opened.read(7)
    #expect(machine.folios[71] == exclusive(9, 7))
    #expect(machine.folios[72].mapping == .none)
  }

  /// Catches a legacy kernel with folios.
  @Test(arguments: legacy)
  func `OW-02: legacy notes each page of a huge entry`(kernel: KernelBehavior) {
    let machine = Machine(kernel)
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map()
    opened.read(600)
    #expect(machine.folios[1024] == exclusive(1, 512))
    #expect(machine.folios[1027] == exclusive(1, 515))
  }

  /// Catches a landed kernel that notes pages.
  @Test func `OW-03: landed notes the folio's first page only`() {
    let machine = Machine(.v7_2)
    let opened = machine.file(1, pages: 1024, block: 512)
    opened.map()
    opened.read(600)
    #expect(machine.folios[1024] == exclusive(1, 512, .huge))
    #expect(machine.folios[1027] == exclusive(1, 512, .huge))
    #expect(machine.folios.count == 1)
  }

  /// Catches a share that is not counted. In 6.1 only copies count: the later reader becomes the
  /// owner, with a warning.
  @Test func `OW-04: legacy marks a page of two files as shared and counts them`() {
    let machine = Machine(.v6_12)
    let (one, other) = pair(machine)
    one.read(0, 1)
    other.read(0, 2)
    #expect(machine.folios[64] == FolioOwner(mapping: .shared, word: 2, size: .base))
    let older = Machine(.v6_1)
    let (first, second) = pair(older)
    first.read(0, 1)
    second.read(0, 2)
    #expect(older.folios[64] == exclusive(2, 0))
    #expect(second.warnings == [.ownedByAnother(block: 64)])
  }

  /// Catches a name that is left on a page of several files.
  @Test func `OW-05: landed takes the name off a page of two files and counts them`() {
    let machine = Machine(.v7_2)
    let (one, other) = pair(machine)
    one.read(0, 1)
    other.read(0, 2)
    #expect(machine.folios[64] == FolioOwner(mapping: .none, word: 2, size: .base))
    #expect(machine.folios[64].isShared)
    // The same file once more changes nothing.
    other.read(0, 2)
    one.read(0, 1)
    #expect(machine.folios[64].share == 2)
  }

  /// Catches the landed rule in the legacy kernels, and the other way round.
  @Test func `OW-06: in 6_12 the first of the sharers is counted as one`() {
    let machine = Machine(.v6_12)
    let (one, _) = pair(machine)
    one.read(0, 1)
    #expect(machine.folios[64] == FolioOwner(mapping: .shared, word: 1, size: .base))
  }

  /// As above.
  @Test func `OW-07: landed holds the first of the sharers for the only one`() {
    let machine = Machine(.v7_2)
    let (one, _) = pair(machine)
    one.read(0, 1)
    #expect(machine.folios[64] == exclusive(1, 0))
  }

  /// Catches a page that is given back to the file that is left: the kernel does not know which it
  /// is.
  @Test func `OW-08: one of two sharers gone leaves a count of one and no name`() {
    let machine = Machine(.v7_2)
    let (one, other) = pair(machine)
    one.read(0, 1)
    other.read(0, 2)
    other.mapping.invalidate(0..<4)
    #expect(machine.folios[64] == FolioOwner(mapping: .none, word: 1, size: .base))
    #expect(machine.folios[64].file == nil)
  }

  /// Catches a count that never comes back to nothing.
  @Test func `OW-09: both sharers gone leave nothing`() {
    let machine = Machine(.v7_2)
    let (one, other) = pair(machine)
    one.read(0, 1)
    other.read(0, 2)
    other.mapping.invalidate(0..<4)
    one.mapping.invalidate(0..<4)
    #expect(machine.folios[64] == FolioOwner(mapping: .none, word: 0, size: .base))
    #expect(machine.folios.count == 0)
  }

  /// Catches the mended kernel where the broken one was asked for (6.16, from its source).
  @Test func `OW-10: 6_16 leaves the page's index behind, and the share count starts there`() {
    let machine = Machine(.v7_2, rules: .v6_16)
    let opened = machine.file(1, pages: 10, block: 64)
    opened.map()
    opened.read(5)
    opened.mapping.invalidate(0..<10)
    #expect(machine.folios[69] == FolioOwner(mapping: .none, word: 5, size: .base))
    let (one, other) = (machine.file(2, pages: 1, block: 69), machine.file(3, pages: 1, block: 69))
    for file in [one, other] {
      file.file.shared = [69]
      file.map()
      file.read(0)
    }
    #expect(machine.folios[69].share == 7)
    one.mapping.invalidate(0..<1)
    other.mapping.invalidate(0..<1)
    #expect(machine.folios[69].share == 5)
  }

  /// Catches the mended kernel where 6.1 was asked for.
  @Test(arguments: [AssociationRules.v6_1, .v6_12])
  func `OW-11: 6_1 never takes the mark of a shared page off`(rules: AssociationRules) {
    let folios = FolioTable(rules)
    let entry = DaxEntry(.block(64), .base)
    for inode in [1, 2] as [UInt64] {
      _ = folios.associate(entry, inode: inode, page: 0, shared: true)
    }
    #expect(folios[64] == FolioOwner(mapping: .shared, word: 2, size: .base))
    for inode in [1, 2] as [UInt64] { _ = folios.disassociate(entry, inode: inode) }
    let wanted: FolioOwner.Mapping = rules == .v6_1 ? .shared : .none
    #expect(folios[64] == FolioOwner(mapping: wanted, word: 0, size: .base))
  }

  /// Catches a share that is counted on a page inside somebody's folio (inferred, N3).
  @Test func `OW-12: a small entry on another file's huge folio warns and counts there`() {
    let machine = Machine(.v7_2)
    let one = machine.file(1, pages: 512, block: 512)
    let other = machine.file(2, pages: 512, block: 512)
    one.file.shared = Set(512..<1024)
    other.file.shared = one.file.shared
    one.map(1)
    other.map(2, allowsHuge: false)
    one.read(0, 1)
    #expect(machine.folios[512].size == .huge)
    other.read(7, 2)
    #expect(other.warnings == [.sizesDiffer(block: 519)])
    #expect(machine.folios[512] == FolioOwner(mapping: .none, word: 2, size: .huge))
    #expect(other.counts(512).mapcount == 2)
  }

  /// Catches the first owner forgotten when a second one comes: its index stands where the count is kept.
  @Test(arguments: AssociationRules.allCases)
  func `OW-04, OW-05: an owner that was alone counts when the page becomes shared`(
    rules: AssociationRules
  ) {
    let folios = FolioTable(rules)
    let entry = DaxEntry(.block(64), .base)
    _ = folios.associate(entry, inode: 1, page: 5, shared: false)
    _ = folios.associate(entry, inode: 2, page: 0, shared: true)
    #expect(folios[64].share == 2)
    #expect(folios[64].isShared)
  }

  /// Catches owners of zero pages.
  @Test(arguments: AssociationRules.allCases)
  func `OW-13: entries without a block change no owner`(rules: AssociationRules) {
    let folios = FolioTable(rules)
    for content in [DaxEntry.Content.empty, .zero] {
      let entry = DaxEntry(content, .huge)
      #expect(folios.associate(entry, inode: 1, page: 0, shared: false).isEmpty)
      #expect(folios.count == 0)
      #expect(folios.disassociate(entry, inode: 1).isEmpty)
    }
    #expect(folios.count == 0)
  }
}
