internal import PageModel
internal import PmemBase
internal import Scenario
internal import Testing

/// Section "memory failure" of the conformance list: who is told, and what is unmapped.
@Suite struct `a failed page` {
  static let legacy: [KernelBehavior] = [.v6_1, .v6_12]

  /// A process for each letter, with dax1.0's first page mapped as m0, read, and a handler.
  static func readers(_ actors: String) -> String {
    (["- proc \(actors)"]
      + actors.flatMap { actor in
        [
          "\(actor) map m0 /dev/dax1.0 0 8192 shared", "\(actor) handler on", "\(actor) rd m0 0",
        ]
      }).joined(separator: "\n")
  }

  /// The same for /mnt/f1.
  static func fileReaders(_ actors: String, _ offset: String = "0x3000") -> String {
    (["- mkfile /mnt/f1 65536 0x11", "- proc \(actors)"]
      + actors.flatMap { actor in
        [
          "\(actor) map m0 /mnt/f1 0 65536 shared", "\(actor) handler on",
          "\(actor) rd m0 \(offset)",
        ]
      }).joined(separator: "\n")
  }

  /// Catches an address inside a huge page, a small lsb, or entries that stay.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-01: a huge device page is told whole, from its head`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .nothing,
      """
      - proc A
      A map m0 /dev/dax0.0 0 0x400000 shared
      A handler on
      A rd m0 0
      A madv m0 0x100000 4096 hwpoison
      A page m0 0
      """)
    #expect(seen.isOK("A madv m0 0x100000 4096 hwpoison"))
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x0 lsb=21"])
    #expect(seen.isPresent("A page m0 0") == false)
  }

  private func injectPage100(_ kernel: KernelBehavior, _ setup: Seen.Setup) throws -> Seen {
    try Seen(
      kernel, setup,
      """
      - proc A
      A map m0 /mnt/f1 0 0x400000 shared
      A handler on
      A rd m0 0
      A madv m0 0x64000 4096 hwpoison
      A page m0 0
      """)
  }

  /// Catches the page's own address where only the folio is known.
  @Test func `MF-02: without a reverse map 7_2 tells the head of the folio`() throws {
    let seen = try injectPage100(.v7_2, .hugeExt4)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x0 lsb=21"])
  }

  /// Catches the head's address where every page has an index.
  @Test(arguments: legacy)
  func `MF-03: without a reverse map 6_1 and 6_12 tell the page`(kernel: KernelBehavior) throws {
    let seen = try injectPage100(kernel, .hugeExt4)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x64000 lsb=21"])
    #expect(seen.isPresent("A page m0 0") == false)
  }

  /// Catches a head's address where the owner is looked up, and a flag on the page instead of its entry's first.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-04: with a reverse map the page is told exactly, and its entry's first page is flagged`(
    kernel: KernelBehavior
  ) throws {
    var seen = try injectPage100(kernel, .hugeXFS)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x64000 lsb=21"])
    try seen.add("A rd m0 0")
    let found = seen.machine.physicalOfA(0)
    let head = try #require(found)
    #expect(seen.machine.isFlagged(head))
    #expect(!seen.machine.isFlagged(head + 0x64000))
  }

  /// Catches a process that is told although it asked for nothing, or keeps its entry.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-05: the consumer is told, the other loses its entry and hears nothing`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .nothing,
      Self.readers("AB") + "\n- mcear A:m0+0\n- sync\nA page m0 0\nB page m0 0")
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x0 lsb=12"])
    #expect(seen.signals("B") == [])
    #expect(seen.isPresent("A page m0 0") == false)
    #expect(seen.isPresent("B page m0 0") == false)
  }

  /// Catches a signal to the main thread when another one asked for it.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-06: the thread that asked early is the one that is told`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .nothing,
      Self.readers("AB") + "\nB thread C\nC early\n- mcear A:m0+0\n- sync")
    #expect(seen.signals("C") == ["BUS_MCEERR_AO m0+0x0 lsb=12"])
    #expect(seen.signals("B") == [])
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x0 lsb=12"])
  }

  /// Catches a sysctl that overrides what a thread said, or is not asked for one that said nothing.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-07, MF-08: the sysctl counts for threads that said nothing, not for a late one`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .nothing,
      "- sysctl memory_failure_early_kill 1\n" + Self.readers("ABC")
        + "\nB late\nC thread D\nC late\nD dflt\n- mcear A:m0+0\n- sync")
    #expect(seen.signals("B") == [])
    #expect(seen.signals("C") == [])
    #expect(seen.signals("D") == ["BUS_MCEERR_AO m0+0x0 lsb=12"])
    let main = try Seen(
      kernel, .nothing,
      "- sysctl memory_failure_early_kill 1\n" + Self.readers("AB")
        + "\nB thread C\n- mcear A:m0+0\n- sync")
    #expect(main.signals("B") == ["BUS_MCEERR_AO m0+0x0 lsb=12"])
    #expect(main.signals("C") == [])
  }

  /// Catches a process told of a page that it never touched.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-09: who never touched the page is not told`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .nothing,
      Self.readers("A")
        + "\n- proc B\nB map m0 /dev/dax1.0 0 8192 shared\nB handler on\nB early"
        + "\nB rd m0 4096\n- mcear A:m0+0\n- sync")
    #expect(seen.signals("B") == [])
    #expect(seen.signals("A").count == 1)
  }

  /// Catches an unmap, or a failed report, where nobody was to be told.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-10: with nobody to tell nothing is unmapped, and the page is flagged`(
    kernel: KernelBehavior
  ) throws {
    var seen = try Seen(
      kernel, .nothing, Self.readers("AB") + "\n- hwp A:m0+0\n- sync\nA page m0 0\nB page m0 0")
    #expect(seen.isOK("- hwp A:m0+0"))
    #expect(seen.signals("A") + seen.signals("B") == [])
    #expect(seen.isPresent("A page m0 0") == true)
    #expect(seen.isPresent("B page m0 0") == true)
    let found = seen.machine.physicalOfA(0)
    let page = try #require(found)
    #expect(seen.machine.isFlagged(page))
    #expect(seen.machine.poisonedPages == 1)
  }

  /// Catches an unmap that stops at those who were told.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-11: one that is told costs everybody the entry`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .xfs,
      Self.fileReaders("AB") + "\nB early\n- hwp A:m0+0x3000\n- sync\nA page m0 0x3000")
    #expect(seen.signals("B") == ["BUS_MCEERR_AO m0+0x3000 lsb=12"])
    #expect(seen.signals("A") == [])
    #expect(seen.isPresent("A page m0 0x3000") == false)
  }

  /// Catches a page that nobody ever had answered as if somebody did.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-12: a page that nobody ever faulted is EBUSY and not flagged`(
    kernel: KernelBehavior
  ) throws {
    for (setup, target) in [
      (.nothing, "dax:dax1.0+0x5000"), (.nothing, "dax:dax0.0+0"),
      (.ext4, "file:/mnt/f1+0x3000"),
    ] as [(Seen.Setup, String)] {
      let seen = try Seen(
        kernel, setup,
        (setup == .ext4 ? "- mkfile /mnt/f1 65536 1\n" : Self.readers("A") + "\n")
          + "- hwp \(target)")
      #expect(seen.errno("- hwp \(target)") == "EBUSY")
      #expect(seen.machine.poisonedPages == 1)
      #expect(!seen.machine.hasFlags)
    }
  }

  /// Catches an inode read in to be asked, or a report that fails for it.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-13: the page of a file that is not in memory is nothing`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      """
      - mkfile /mnt/f1 65536 0x11
      - save P file:/mnt/f1+0x3000
      - umount
      - mount /dev/pmem2 dax=always
      """)
    let place = try #require(seen["- save P file:/mnt/f1+0x3000"]["phys"]?.string)
    var cold = seen
    try cold.add("- hwp phys:\(place)\n- fsprobe /mnt")
    #expect(cold.isOK("- hwp phys:\(place)"))
    #expect(!cold.machine.hasFlags)
    #expect(cold["- fsprobe /mnt"]["shutdown"] == .bool(false))
  }

  /// Catches a signal for every mapping: one SIGBUS waits, the others are dropped.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-14: three mappings of the page in one process are one signal, the first's`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .nothing,
      """
      - proc A
      A map m0 /dev/dax1.0 0 12288 shared
      A map m1 /dev/dax1.0 0 4096 shared
      A map m2 /dev/dax1.0 0 8192 shared
      A handler on
      A rd m0 0
      A rd m1 0
      A rd m2 0
      - mcear A:m0+0
      - sync
      A page m1 0
      A page m2 0
      """)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x0 lsb=12"])
    #expect(seen.isPresent("A page m1 0") == false)
    #expect(seen.isPresent("A page m2 0") == false)
  }

  /// Catches a forced signal that waits, or goes to the handler.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-15: a consumer that blocks SIGBUS is killed`(kernel: KernelBehavior) throws {
    for how in ["block", "ignore"] {
      let seen = try Seen(
        kernel, .nothing, Self.readers("A") + "\nA handler \(how)\n- mcear A:m0+0\n- sync")
      #expect(seen.state("A") == "killed by signal 7 (SIGBUS)", "\(how)")
    }
  }

  /// Catches an optional signal that is forced.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-16: an optional signal is ignored, or waits, and nobody dies`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .nothing,
      Self.readers("ABC")
        + "\nB early\nC early\nB handler ignore\nC handler block"
        + "\n- mcear A:m0+0\n- sync\nB pending\nC pending\nB rd m0 0\nC rd m0 0")
    #expect(seen["B pending"]["sigbus_pending"] == .bool(false))
    #expect(seen["C pending"]["sigbus_pending"] == .bool(true))
    #expect(seen.isOK("B rd m0 0") && seen.isOK("C rd m0 0"))
    #expect(seen.signals("B") + seen.signals("C") == [])
  }

  /// Catches a signal to the main thread when a worker consumed.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-17: the worker that consumed is told`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .nothing, Self.readers("A") + "\nA early\nA thread B\n- mcear B:m0+0\n- sync")
    #expect(seen.signals("B") == ["BUS_MCEERR_AR m0+0x0 lsb=12"])
    #expect(seen.signals("A") == [])
  }

  /// Catches a child that starts without its parent's policy, or keeps the page.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-19: a forked child inherits the policy and is told by it`(
    kernel: KernelBehavior
  ) throws {
    for policy in ["early", "dflt"] {
      let seen = try Seen(
        kernel, .nothing,
        Self.readers("A")
          + "\nA \(policy)\nA fork B\nB rd m0 0\n- mcear A:m0+0\n- sync\nB page m0 0")
      #expect(
        seen.signals("B") == (policy == "early" ? ["BUS_MCEERR_AO m0+0x0 lsb=12"] : []))
      #expect(seen.isPresent("B page m0 0") == false)
    }
  }

  /// Catches pins that an unmap takes away, or an unmap that waits for them.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-47: a pinned page is unmapped, and its pins stay until they are given back`(
    kernel: KernelBehavior
  ) throws {
    var seen = try Seen(kernel, .xfs, Self.fileReaders("A"))
    let found = seen.machine.physicalOfA(0x3000)
    let page = try #require(found)
    let before = try #require(seen.machine.counts(page))
    seen.machine.pin(page)
    try seen.add("A madv m0 0x3000 4096 hwpoison\n- sync\nA page m0 0x3000")
    #expect(seen.isPresent("A page m0 0x3000") == false)
    let after = try #require(seen.machine.counts(page))
    #expect(after.refcount == before.refcount + 1024 - before.mapcount)
    #expect(after.mapcount == 0)
    seen.machine.unpin(page)
    #expect(seen.machine.leftovers() == [])
  }
}
