internal import PmemBase
internal import Scenario
internal import Testing

/// Section "memory failure" of the conformance list: what comes after, and who may ask.
@Suite struct `an injected or real error` {
  /// Catches a page that stays away, or a report that is swallowed because the page failed before.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-35: every report of the same page runs through, and is counted`(
    kernel: KernelBehavior
  ) throws {
    let report = "\nA rd m0 0\n- hwp A:m0+0\n- sync"
    let seen = try Seen(
      kernel, .nothing, `a failed page`.readers("A") + "\nA early" + report + report + report)
    #expect(seen.signals("A") == Array(repeating: "BUS_MCEERR_AO m0+0x0 lsb=12", count: 3))
    #expect(seen.machine.poisonedPages == 3)
  }

  /// Catches an injection that leaves the page unusable.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-36: after an injection the page is mapped again and holds what it held`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      `a failed page`.fileReaders("A")
        + "\nA madv m0 0x3000 4096 hwpoison\n- sync\nA rd m0 0x3001\n- badblocks")
    #expect(seen.isOK("A rd m0 0x3001"))
    #expect(seen["A rd m0 0x3001"]["value"] == .int(0x11))
    #expect(seen.signals("A").count == 1)
    #expect(seen["- badblocks"]["badblocks"] == .string(""))
  }

  /// Catches a touch of a bad block that succeeds, or is told as anything else.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-37: with a bad block on record the next touch is told what is lost`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      `a failed page`.fileReaders("A", "0x2000") + "\n- mce file:/mnt/f1+0x3000\nA rd m0 0x3005")
    let wanted = kernel == .v6_1 ? "BUS_ADRERR m0+0x3005" : "BUS_MCEERR_AR m0+0x3005 lsb=12"
    #expect(seen.signals("A") == [wanted])
  }

  /// Catches device-dax that asks for bad blocks.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-38: device-dax maps a bad block`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .nothing,
      `a failed page`.readers("A") + "\n- mce dax:dax1.0+0x1000\n- badblocks\nA rd m0 0x1000")
    #expect(seen["- badblocks"]["badblocks"] != .string(""))
    #expect(seen.isOK("A rd m0 0x1000"))
  }

  /// Catches bytes of a bad block, or a neighbour that is refused.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-39: pread of a bad page is EIO, of its neighbour not`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .ext4,
      """
      - mkfile /mnt/f1 65536 0x11
      - proc A
      - mce file:/mnt/f1+0x3000
      A pread /mnt/f1 0x3000 4096
      A pread /mnt/f1 0x4000 4096
      """)
    #expect(seen.errno("A pread /mnt/f1 0x3000 4096") == "EIO")
    #expect(seen["A pread /mnt/f1 0x4000 4096"]["bytes"] == .int(4096))
  }

  /// Catches poison that is known before anybody met it, and a copy that goes on behind it.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-40: latent poison ends a pread, and the next one is EFAULT`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .ext4,
      """
      - mkfile /mnt/f1 65536 0x11
      - proc A
      - latent file:/mnt/f1+0x3000
      - badblocks
      A pread /mnt/f1 0x2000 8192
      A pread /mnt/f1 0x3000 4096
      A pread /mnt/f1 0x3200 512
      """)
    #expect(seen["- badblocks"]["badblocks"] == .string(""))
    #expect(seen["A pread /mnt/f1 0x2000 8192"]["bytes"] == .int(4096))
    #expect(seen.errno("A pread /mnt/f1 0x3000 4096") == "EFAULT")
    #expect(seen["A pread /mnt/f1 0x3200 512"]["bytes"] == .int(512))
  }

  private static let bad = """
    - mkfile /mnt/f1 65536 0x11
    - proc A
    A map m0 /mnt/f1 0 65536 shared
    A handler on
    A early
    A rd m0 0x3000
    - mce A:m0+0x3000
    - sync
    """

  /// Catches a record that stays after its data is good again, or a flag.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-41: pwrite of the whole page clears it`(kernel: KernelBehavior) throws {
    var seen = try Seen(
      kernel, .clearing,
      Self.bad
        + "\nA pwrite /mnt/f1 0x3000 4096\n- badblocks\nA pread /mnt/f1 0x3000 4096\nA rd m0 0x3000"
    )
    #expect(seen["A pwrite /mnt/f1 0x3000 4096"]["bytes"] == .int(4096))
    #expect(seen["- badblocks"]["badblocks"] == .string(""))
    #expect(seen["A pread /mnt/f1 0x3000 4096"]["first"] == .int(0x77))
    #expect(seen.isOK("A rd m0 0x3000"))
    let found = seen.machine.physicalOfA(0x3000)
    let page = try #require(found)
    #expect(!seen.machine.isFlagged(page))
  }

  /// Catches a clear of what was not written.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-42: pwrite of part of the page is EFAULT and clears nothing`(
    kernel: KernelBehavior
  ) throws {
    var seen = try Seen(kernel, .clearing, Self.bad + "\nA pwrite /mnt/f1 0x3000 512\n- badblocks")
    #expect(seen.errno("A pwrite /mnt/f1 0x3000 512") == "EFAULT")
    #expect(seen["- badblocks"]["badblocks"]?.string?.contains(" 8") == true)
    // What lies before the bad page is written.
    try seen.add("A pwrite /mnt/f1 0x1000 0x2800\nA pread /mnt/f1 0x2000 1")
    #expect(seen["A pwrite /mnt/f1 0x1000 0x2800"]["bytes"] == .int(8192))
    #expect(seen["A pread /mnt/f1 0x2000 1"]["first"] == .int(0x77))
  }

  /// Catches a hole that gives back the bad block, or a rewrite that fails where the bus can clear.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-43: after punch and rewrite the page reads zeroes, then the new bytes`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .clearing,
      Self.bad
        + """

        A falloc /mnt/f1 punch 0x3000 4096
        A pread /mnt/f1 0x3000 512
        - fsync /mnt/f1
        A falloc /mnt/f1 plain 0x3000 4096
        A pwrite /mnt/f1 0x3000 4096
        A pread /mnt/f1 0x3000 4096
        - fsprobe /mnt
        """)
    #expect(seen["A pread /mnt/f1 0x3000 512"]["first"] == .int(0))
    #expect(seen["A pread /mnt/f1 0x3000 4096"]["first"] == .int(0x77))
    #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(false))
  }

  /// Catches a store that clears, whichever mapping it goes through.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-44: a store through a mapping that is left clears nothing`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .clearing,
      """
      - mkfile /mnt/f1 65536 0x11
      - proc AB
      A map m0 /mnt/f1 0 65536 shared
      B map m1 /mnt/f1 0x2000 8192 shared
      B wr m1 0x1000 1
      - mce file:/mnt/f1+0x3000
      B wr m1 0x1000 2
      - badblocks
      A pread /mnt/f1 0x3000 512
      """)
    #expect(seen.isOK("B wr m1 0x1000 2"))
    #expect(seen["- badblocks"]["badblocks"] != .string(""))
    #expect(seen.errno("A pread /mnt/f1 0x3000 512") == "EIO")
  }

  /// Catches a soft offline that moves a device's page.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-48: MADV_SOFT_OFFLINE of DAX is EIO`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .xfs,
      `a failed page`.fileReaders("A")
        + "\nA madv m0 0x3000 4096 softoff\nA map d0 /dev/dax1.0 0 4096 shared"
        + "\nA madv d0 0 4096 softoff\nA rd m0 0x3000")
    #expect(seen.errno("A madv m0 0x3000 4096 softoff") == "EIO")
    #expect(seen.errno("A madv d0 0 4096 softoff") == "EIO")
    #expect(seen.isOK("A rd m0 0x3000"))
  }

  /// Catches the zero page taken for the file's, or lost to everybody.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-50: MADV_HWPOISON of a hole meets the zero page, EBUSY`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      """
      - create /mnt/f1
      - ftruncate /mnt/f1 65536
      - proc A
      A map m0 /mnt/f1 0 65536 shared
      A handler on
      A madv m0 0x3000 4096 hwpoison
      A rd m0 0x3000
      """)
    #expect(seen.errno("A madv m0 0x3000 4096 hwpoison") == "EBUSY")
    #expect(seen.signals("A") == [])
    #expect(seen.isOK("A rd m0 0x3000"))
  }

  /// Catches a step that is a page where folios are built, or a folio where they are not.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-51, MF-52: two pages of one huge folio are one injection in 7_2 and two before`(
    kernel: KernelBehavior
  ) throws {
    for setup in [Seen.Setup.hugeExt4, .hugeXFS] {
      let seen = try Seen(
        kernel, setup,
        """
        - proc A
        A map m0 /mnt/f1 0 0x400000 shared
        A handler on
        A rd m0 0
        A madv m0 0x3000 8192 hwpoison
        """)
      #expect(seen.isOK("A madv m0 0x3000 8192 hwpoison"))
      #expect(seen.machine.poisonedPages == (kernel == .v7_2 ? 1 : 2))
    }
  }

  /// Catches page descriptors that can fail like data.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-53: where the namespace keeps its page descriptors is no page: ENXIO`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      `a failed page`.fileReaders("A") + "\n- hwp phys:0x120001000\n- hwp phys:0x100000000")
    #expect(seen.errno("- hwp phys:0x120001000") == "ENXIO")
    #expect(seen.errno("- hwp phys:0x100000000") == "ENXIO")
    #expect(seen.signals("A") == [])
  }

  /// Catches a search that finds what the kernel's, by the head of the folio, does not (inferred, N5).
  @Test(arguments: KernelBehavior.allCases)
  func `MF-54: in 7_2 whoever maps only the tail of a huge folio is overlooked`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .hugeExt4,
      """
      - proc AB
      A map m0 /mnt/f1 0 0x200000 shared
      A rd m0 0
      B map m0 /mnt/f1 0x100000 0x100000 shared
      B handler on
      B early
      B rd m0 0x2c000
      - hwp file:/mnt/f1+0x12c000
      - sync
      B page m0 0x2c000
      """)
    #expect(seen.isOK("- hwp file:/mnt/f1+0x12c000"))
    #expect(seen.signals("B") == (kernel == .v7_2 ? [] : ["BUS_MCEERR_AO m0+0x2c000 lsb=12"]))
    #expect(seen.isPresent("B page m0 0x2c000") == (kernel == .v7_2))
  }

  /// Catches a machine check that is not one the second time.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-56: who survives its signal and touches the page again is told again, if it is bad`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      `a failed page`.fileReaders("AB")
        + """

        B early
        - latent file:/mnt/f1+0x3040 64
        A rd m0 0x3050
        - sync
        - badblocks
        B rd m0 0x3000
        A wbuf m0 0x2000 8192
        """)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x3000 lsb=12"])
    let again = kernel == .v6_1 ? "BUS_ADRERR m0+0x3000" : "BUS_MCEERR_AR m0+0x3000 lsb=12"
    #expect(seen.signals("B") == ["BUS_MCEERR_AO m0+0x3000 lsb=12", again])
    #expect(seen["- badblocks"]["badblocks"]?.string?.contains(" 8") == true)
    #expect(seen["A wbuf m0 0x2000 8192"]["bytes"] == .int(4096))
  }
}
