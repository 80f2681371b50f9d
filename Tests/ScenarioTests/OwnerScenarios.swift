internal import PmemBase
internal import Scenario
internal import Testing

/// Section "memory failure" of the conformance list: what a filesystem makes of its device's failure.
@Suite struct `a failure under a filesystem` {
  private static let shared = "- mkfile /mnt/f1 65536 0x11\n- reflink /mnt/f1 /mnt/f2\n- proc AB"

  /// Catches an unmap of files whose mappers nobody told (inferred, N7).
  @Test(arguments: KernelBehavior.allCases)
  func `MF-20: each file of a shared block is dealt with by itself`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .xfs,
      Self.shared
        + """

        A map m0 /mnt/f1 0 65536 shared
        B map m0 /mnt/f2 0 65536 shared
        A handler on
        B handler on
        A rd m0 0x3000
        B rd m0 0x3000
        - mcear A:m0+0x3000
        - sync
        A page m0 0x3000
        B page m0 0x3000
        """)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x3000 lsb=12"])
    #expect(seen.signals("B") == [])
    #expect(seen.isPresent("A page m0 0x3000") == false)
    #expect(seen.isPresent("B page m0 0x3000") == true)
  }

  /// Catches a walk that ends at the first file, and a second signal.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-21: who maps both files is told once and loses both`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .xfs,
      Self.shared
        + """

        A map m0 /mnt/f1 0 65536 shared
        A map m1 /mnt/f2 0 65536 shared
        A handler on
        A rd m0 0x3000
        A rd m1 0x3000
        - mcear A:m0+0x3000
        - sync
        A page m0 0x3000
        A page m1 0x3000
        """)
    #expect(seen.signals("A") == ["BUS_MCEERR_AR m0+0x3000 lsb=12"])
    #expect(seen.isPresent("A page m0 0x3000") == false)
    #expect(seen.isPresent("A page m1 0x3000") == false)
  }

  /// Catches free space that is taken for damage.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-22: a failure in free space is nothing`(kernel: KernelBehavior) throws {
    let seen = try Seen(kernel, .xfs, "- hwp bdev:pmem2+0x9000000\n- fsprobe /mnt")
    #expect(seen.isOK("- hwp bdev:pmem2+0x9000000"))
    #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(false))
  }

  /// Catches metadata whose loss goes unnoticed, and signals to those who map files.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-23: a failure in metadata shuts down and signals nobody`(
    kernel: KernelBehavior
  ) throws {
    for place in ["0", "0x1000", "inode-chunk", "log"] {
      var seen = try Seen(kernel, .xfs, `a failed page`.fileReaders("A") + "\nA early")
      var target = place
      if !place.hasPrefix("0") {
        try seen.add("- place \(place)")
        target = seen["- place \(place)"]["output"]?.string ?? ""
      }
      try seen.add("- hwp bdev:pmem2+\(target)\n- sync\n- fsprobe /mnt\nA rd m0 0x3000")
      #expect(seen.errno("- hwp bdev:pmem2+\(target)") == "EUCLEAN", "\(place)")
      #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(true), "\(place)")
      #expect(seen.signals("A") == [])
      #expect(seen.isOK("A rd m0 0x3000"))
    }
  }

  /// Catches blocks taken for copies that count as free (inferred, N11).
  @Test(arguments: KernelBehavior.allCases)
  func `MF-24: a failure in blocks taken ahead for copies shuts down`(
    kernel: KernelBehavior
  ) throws {
    var seen = try Seen(
      kernel, .xfs,
      Self.shared
        + "\nA map m0 /mnt/f2 0 65536 shared\nA wr m0 0x3000 9\n- page file:/mnt/f2+0x3000"
    )
    let copy = try #require(seen["- page file:/mnt/f2+0x3000"]["phys"]?.string)
    let block = try #require(UInt64(copy.dropFirst(2), radix: 16))
    try seen.add("- hwp phys:\(block + 4096)\n- fsprobe /mnt")
    #expect(seen.errno("- hwp phys:\(block + 4096)") == "EUCLEAN")
    #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(true))
  }

  /// Catches bug B7 in the wrong kernels.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-25: a file that is not DAX brings down 6_1 only`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .xfs,
      """
      - umount
      - mount /dev/pmem2 dax=inode
      - mkfile /mnt/f1 65536 0x11
      - statxdax /mnt/f1
      - hwp file:/mnt/f1+0x3000
      - fsprobe /mnt
      """)
    #expect(seen["- statxdax /mnt/f1"]["dax"] == .bool(false))
    #expect(
      seen.errno("- hwp file:/mnt/f1+0x3000") == (kernel == .v6_1 ? "EUCLEAN" : nil))
    #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(kernel == .v6_1))
  }

  /// Catches a filesystem that cannot look owners up and does so all the same.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-26: XFS without a reverse map leaves a page of one file to the generic handler`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .nothing,
      "- mkfs xfs /dev/pmem2 rmapbt=0\n- mount /dev/pmem2 dax=always\n"
        + `a failed page`.fileReaders("A")
        + "\nA early\n- hwp file:/mnt/f1+0x3000\n- hwp file:/mnt/f1+0x8000\n- sync")
    #expect(seen.signals("A") == ["BUS_MCEERR_AO m0+0x3000 lsb=12"])
    #expect(seen.errno("- hwp file:/mnt/f1+0x8000") == "EBUSY")
  }

  private func sharedWithoutReverseMap(_ kernel: KernelBehavior) throws -> Seen {
    try Seen(
      kernel, .nothing,
      "- mkfs xfs /dev/pmem2 rmapbt=0\n- mount /dev/pmem2 dax=always\n" + Self.shared
        + """

        A map m0 /mnt/f1 0 65536 shared
        B map m0 /mnt/f2 0 65536 shared
        A handler on
        B handler on
        A early
        B early
        A rd m0 0x3000
        B rd m0 0x3000
        - hwp file:/mnt/f1+0x3000
        - sync
        """)
  }

  /// Catches an owner made up for a page that names none.
  @Test func `MF-27: without a reverse map a shared page is EBUSY in 7_2`() throws {
    let seen = try sharedWithoutReverseMap(.v7_2)
    #expect(seen.errno("- hwp file:/mnt/f1+0x3000") == "EBUSY")
    #expect(seen.signals("A") + seen.signals("B") == [])
  }

  /// Catches a kernel that survives what 6.12 does not (oracle `xfs-normap`).
  @Test func `MF-28: without a reverse map a shared page brings down 6_12`() throws {
    #expect(try sharedWithoutReverseMap(.v6_12).machine.hasStopped)
    #expect(try !sharedWithoutReverseMap(.v7_2).machine.hasStopped)
  }

  /// Catches an external log that is taken for free space, or for nobody's.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-31: a failure of an external log shuts down`(kernel: KernelBehavior) throws {
    let seen = try Seen(
      kernel, .nothing,
      """
      - mkfs xfs /dev/pmem2 logdev=/dev/pmem3
      - mount /dev/pmem2 dax=always
      - fsprobe /mnt
      - mount /dev/pmem2 dax=always,logdev=/dev/pmem3
      - proc A
      - hwp bdev:pmem3+0x1000
      - fsprobe /mnt
      """)
    #expect(seen["- mount /dev/pmem2 dax=always"]["rc"] == .int(32))
    #expect(seen["- mount /dev/pmem2 dax=always,logdev=/dev/pmem3"]["rc"] == .int(0))
    #expect(seen.errno("- hwp bdev:pmem3+0x1000") == "EUCLEAN")
    #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(true))
  }

  /// Catches policies that are asked when the device goes, and pages flagged for it.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-33: before its device goes XFS tells everybody, since 6_8`(
    kernel: KernelBehavior
  ) throws {
    let actors = "ABCDE"
    var seen = try Seen(
      kernel, .xfs,
      `a failed page`.fileReaders(actors)
        + "\nB late\nC early\n- unbind 2.0\n- sync\n- fsprobe /mnt")
    for actor in actors {
      // 6.1 takes it for a failure of the whole device: who asked to be told early is.
      let isTold = kernel != .v6_1 || actor == "C"
      #expect(seen.signals(actor) == (isTold ? ["BUS_MCEERR_AO m0+0x3000 lsb=12"] : []))
    }
    #expect(seen["- fsprobe /mnt"]["shutdown"] == .bool(true))
    #expect(seen.machine.hasFlags == (kernel == .v6_1))
    if kernel != .v6_1 {
      #expect(seen.machine.translations().isEmpty)
      try seen.add("A rd m0 0x3000")
      #expect(seen.signals("A").last == "BUS_ADRERR m0+0x3000")
    }
  }

  /// Catches a notice that ext4 has nobody to take.
  @Test(arguments: KernelBehavior.allCases)
  func `MF-34: ext4 is not told that its device goes, later faults are SIGBUS`(
    kernel: KernelBehavior
  ) throws {
    let seen = try Seen(
      kernel, .ext4,
      `a failed page`.fileReaders("A")
        + "\nA early\n- unbind 3.0\n- sync\nA rd m0 0x3000\nA rd m0 0x8000")
    #expect(seen.isOK("A rd m0 0x3000"))
    #expect(seen.signals("A") == ["BUS_ADRERR m0+0x8000"])
  }
}
