import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `munmap` {
  /// Catches references that are lost or given back twice.
  @Test func `releases the entries of what it takes`() throws {
    var space = try AddressSpace(base16, length: 8 * page, offset: 4 * page)
    space.touchAll(8 * page)
    #expect(try space.make(.unmap, start + 2 * page, 2 * page - 1) == [run(6..<8)])
    #expect(space.ranges == [start..<start + 2 * page, start + 4 * page..<start + 8 * page])
    #expect(space.windows.map(\.offset) == [4 * page, 8 * page])
    #expect(space.windows.map(\.presentCount) == [2, 4])
    #expect(try space.make(.unmap, start - 4 * page, 40 * page) == [run(4..<6), run(8..<12)])
    #expect(space.windows.isEmpty)
  }

  /// Catches half a huge page unmapped (`dev_dax_may_split`; devdax-2m-api.scn).
  @Test(arguments: [(1, 1), (0, 1), (1, 511), (511, 513), (0, 513)] as [(UInt64, UInt64)])
  func `of half a huge page is EINVAL, and leaves everything`(at: UInt64, pages: UInt64) throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    space.touchAll(2 * huge)
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.unmap, address: start + at * page, length: pages * page, id: 1)
    }
    #expect(!space.isChanging)
    #expect(space.mappedFolios(device: 0) == 2)
    #expect(space.ranges == [start..<start + 2 * huge])
  }

  /// Catches a cut that is refused although nothing is cut, because it goes past the window's ends.
  @Test func `may begin and end outside the window`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    space.touchAll(2 * huge)
    #expect(try space.make(.unmap, start + huge, huge + page) == [run(1..<2)])
    #expect(try space.make(.unmap, start - page, huge + page) == [run(0..<1)])
  }

  /// Catches errnos other than those of the man page.
  @Test func `refuses what munmap refuses`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    for (address, length) in [
      (start, 0), (start + 1, page), (start, UInt64.max), (start, UInt64.max - start + 1),
    ] {
      #expect(throws: Errno.invalidArgument) {
        try space.begin(.unmap, address: address, length: length, id: 1)
      }
    }
  }

  /// Catches a range without windows that is judged or remembered: the kernel alone knows what is
  /// there.
  @Test func `of other memory is the kernel's business`() throws {
    var space = try AddressSpace(base16, length: page)
    for address in [start - page, start + page] {
      let plan = try space.begin(.unmap, address: address, length: page, id: 1)
      #expect(plan == ChangePlan(address: address, length: page, effect: .perform))
      #expect(!space.isChanging)
    }
  }
}

@Suite struct `a zap` {
  /// Catches MADV_DONTNEED that unmaps, or leaves entries (devdax-2m-api.scn: not present,
  /// then a touch works).
  @Test(arguments: [Change.zap, .advise(4), .advise(24)])
  func `drops entries and keeps the mapping`(change: Change) throws {
    var space = try AddressSpace(base16, length: 8 * page)
    space.touchAll(8 * page)
    #expect(try space.make(change, start + page, 2 * page) == [run(1..<3)])
    #expect(space.ranges == [start..<start + 8 * page])
    #expect(!space.windows[0].isPresent(start + page) && space.windows[0].isPresent(start))
    guard case .install = space.fault(at: start + page) else { throw Errno.badAddress }
  }

  /// Catches part of a huge page zapped, or the zap refused: the entry goes as a whole.
  @Test func `of part of a huge page takes all of it`() throws {
    var space = try AddressSpace(huge8, length: 4 * huge)
    space.touchAll(4 * huge)
    let plan = try space.begin(.zap, address: start + huge + page, length: huge, id: 1)
    #expect(plan == ChangePlan(address: start + huge, length: 2 * huge, effect: .perform))
    #expect(space.fault(at: start + huge) == .wait)
    guard case .present = space.fault(at: start + 3 * huge) else { throw Errno.badAddress }
    #expect(space.complete(id: 1, succeeded: true) == [run(1..<3)])
  }

  /// Catches a rounding that goes past the window into other memory, which would be zapped too.
  @Test func `is not rounded past its window`() throws {
    var space = try AddressSpace(huge8, length: huge)
    let plan = try space.begin(.zap, address: start - page, length: 2 * page, id: 1)
    #expect(plan == ChangePlan(address: start - page, length: huge + page, effect: .perform))
    space.abandon(id: 1)
    let after = try space.begin(
      .zap, address: start + huge - page, length: 2 * page, id: 2)
    #expect(after == ChangePlan(address: start, length: huge + page, effect: .perform))
  }

  /// Catches the entries of a range with holes that are kept: madvise says ENOMEM and has zapped
  /// what is mapped.
  @Test func `over a hole drops what is mapped`() throws {
    var space = try AddressSpace(base16, length: 2 * page)
    try space.add(start + 4 * page, page, of: base16, offset: 4 * page)
    space.touchAll(2 * page)
    _ = space.fault(at: start + 4 * page)
    #expect(try space.make(.zap, start, 6 * page) == [run(0..<2), run(4..<5)])
  }

  /// Catches a call of length 0 that is left under way for ever.
  @Test func `of nothing does nothing`() throws {
    var space = try AddressSpace(base16, length: page)
    #expect(try space.begin(.zap, address: start, length: 0, id: 1).effect == .nothing)
    #expect(!space.isChanging)
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.zap, address: start + 1, length: page, id: 1)
    }
  }
}

@Suite struct `mprotect` {
  /// Catches entries lost with a change of protection: it moves no count.
  @Test func `releases nothing and is seen in the windows`() throws {
    var space = try AddressSpace(huge8, length: 3 * huge)
    space.touchAll(3 * huge)
    #expect(try space.make(.protect([]), start + huge, huge).isEmpty)
    #expect(space.windows.map(\.protection) == [[.read, .write], [], [.read, .write]])
    #expect(space.mappedFolios(device: 0) == 3)
  }

  /// Catches a cut inside a huge page (devdax-2m-api.scn), or one refused where nothing
  /// would be cut.
  @Test func `inside a huge page is EINVAL unless it changes nothing`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.protect(.read), address: start + page, length: page, id: 1)
    }
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.protect(.read), address: start, length: huge + page, id: 1)
    }
    let same = try space.begin(
      .protect([.read, .write]), address: start + page, length: page, id: 1)
    #expect(same.effect == .perform)
    _ = space.complete(id: 1, succeeded: true)
    #expect(space.windows.count == 1)
  }

  /// Catches an alignment that is asked for where nothing is split (devdax-mprotect-merge.scn): forwards, backwards, and not where the
  /// neighbour is another one; an entry left in a huge page of which two windows have a part; two windows that stay apart for good.
  @Test func `of a part that a neighbour swallows may end inside a huge page`() throws {
    var space = try AddressSpace(huge8, length: 3 * huge)
    space.touchAll(3 * huge)
    _ = try space.make(.protect(.read), start, huge)
    let plan = try space.begin(
      .protect(.read), address: start + huge - page, length: huge, id: 1)
    #expect(plan.cut == [start + huge..<start + 2 * huge])
    #expect(space.complete(id: 1, succeeded: true) == [run(1..<2)])
    #expect(
      space.ranges == [start..<start + 2 * huge - page, start + 2 * huge - page..<start + 3 * huge])
    // What is there stays, nothing comes.
    #expect(space.windows.map(\.presentCount) == [1, 1])
    for at in [start, start + huge, start + 2 * huge] {
      guard case .beyondDevice = space.fault(at: at) else { throw Errno.badAddress }
    }
    // The same towards the window behind: its beginning moves.
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.protect([]), address: start + page, length: page, id: 1)
    }
    #expect(try space.make(.protect([.read, .write]), start + page, 2 * huge) == [run(0..<1)])
    #expect(space.ranges == [start..<start + page, start + page..<start + 3 * huge])
    #expect(try space.make(.protect(.read), start, 3 * huge).isEmpty)
    #expect(space.ranges == [start..<start + 3 * huge])
    guard case .install = space.fault(at: start) else { throw Errno.badAddress }
  }

  /// Catches a neighbour that swallows what does not continue it: another device's window, or one that shows another place.
  @Test func `of a part that no neighbour continues may not end inside a huge page`() throws {
    for (device, offset) in [(1, 0), (0, 7 * huge)] as [(Int, UInt64)] {
      var space = try AddressSpace(huge8, length: huge, offset: huge)
      for neighbour in [start - huge, start + huge] {
        try space.add(
          neighbour, huge, of: huge8, device: device, offset: offset, protection: .read)
      }
      for at in [start, start + huge - page] {
        #expect(throws: Errno.invalidArgument) {
          try space.begin(.protect(.read), address: at, length: page, id: 1)
        }
      }
    }
  }

  /// Catches a read-only descriptor's mapping made writable (VM_MAYWRITE).
  @Test func `cannot make a read-only descriptor's mapping writable`() throws {
    var space = try AddressSpace(
      base16, length: page, protection: .read, access: .readOnly)
    #expect(throws: Errno.permissionDenied) {
      try space.begin(.protect([.read, .write]), address: start, length: page, id: 1)
    }
    _ = try space.make(.protect([.read, .execute]), start, page)
    #expect(space.windows[0].protection == [.read, .execute])
  }

  /// Catches bits that no mapping keeps (PROT_GROWSDOWN, a protection key's) in the window.
  @Test func `keeps the bits of PROT_READ, PROT_WRITE and PROT_EXEC only`() throws {
    var space = try AddressSpace(base16, length: page)
    _ = try space.make(.protect(Protection(rawValue: 0x0100_0001)), start, page)
    #expect(space.windows[0].protection == .read)
  }

  /// Catches errnos other than mprotect's: ENOMEM, not EINVAL, for a range that wraps.
  @Test func `refuses what mprotect refuses`() throws {
    var space = try AddressSpace(base16, length: page)
    #expect(throws: Errno.noMemory) {
      try space.begin(.protect(.read), address: start, length: .max, id: 1)
    }
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.protect(.read), address: start + 1, length: 1, id: 1)
    }
    #expect(try space.begin(.protect(.read), address: start, length: 0, id: 1).effect == .nothing)
  }
}

@Suite struct `msync` {
  /// Catches MS_SYNC that succeeds: there is no fsync method (devdax-2m-api.scn), and programs
  /// must see that.
  @Test(
    arguments: [
      (0, nil), (1, nil), (2, nil), (3, nil), (4, .invalidArgument), (5, .invalidArgument),
      (6, .invalidArgument), (8, .invalidArgument),
    ] as [(UInt32, Errno?)])
  func `answers as a file without fsync`(flags: UInt32, errno: Errno?) throws {
    var space = try AddressSpace(base16, length: 2 * page)
    if let errno {
      #expect(throws: errno) {
        try space.begin(.sync(flags: flags), address: start, length: page, id: 1)
      }
    } else {
      #expect(
        try space.begin(.sync(flags: flags), address: start, length: page, id: 1).effect
          == .nothing)
    }
    #expect(!space.isChanging)
  }

  /// Catches success over a hole, where the kernel says ENOMEM: it is asked.
  @Test func `over a hole asks the kernel`() throws {
    var space = try AddressSpace(base16, length: page)
    #expect(
      try space.begin(.sync(flags: 1), address: start, length: 2 * page, id: 1).effect
        == .perform)
    #expect(space.complete(id: 1, succeeded: false).isEmpty)
    #expect(try space.begin(.sync(flags: 4), address: start, length: 0, id: 1).effect == .nothing)
    #expect(throws: Errno.noMemory) {
      try space.begin(.sync(flags: 1), address: start, length: .max, id: 1)
    }
    #expect(throws: Errno.invalidArgument) {
      try space.begin(.sync(flags: 1), address: start + 1, length: page, id: 1)
    }
  }
}
