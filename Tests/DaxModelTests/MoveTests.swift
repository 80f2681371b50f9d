import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `mremap` {
  static let elsewhere = start + 64 * huge

  /// Catches a tail whose references stay.
  @Test func `shrinks by unmapping the tail`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    space.touchAll(4 * page)
    #expect(try space.make(move(page, mayMove: false), start, 4 * page, at: start) == [run(1..<4)])
    #expect(space.ranges == [start..<start + page])
    #expect(space.windows[0].presentCount == 1)
  }

  /// Catches a window that forgets its entries when it grows in place (oracle `devdax-2m-api`).
  @Test func `grows in place with what is present`() throws {
    var space = try AddressSpace(huge8, length: huge, offset: huge)
    space.touchAll(huge)
    #expect(try space.make(move(2 * huge), start, huge, at: start).isEmpty)
    #expect(space.ranges == [start..<start + 2 * huge])
    #expect(
      space.fault(at: start + huge)
        == .install(device: 0, folios: 2..<3, address: start + huge, length: huge))
    guard case .present = space.fault(at: start) else { throw Errno.badAddress }
  }

  /// Catches entries that stay behind, or references that are taken or given back: the entries travel.
  @Test func `moves with its entries, wherever the kernel puts it`() throws {
    var space = try AddressSpace(base16, length: 4 * page, offset: 3 * page)
    _ = space.fault(at: start)
    _ = space.fault(at: start + 3 * page)
    #expect(try space.make(move(6 * page), start, 4 * page, at: Self.elsewhere).isEmpty)
    #expect(space.ranges == [Self.elsewhere..<Self.elsewhere + 6 * page])
    #expect(space.addresses(ofFolio: 3, device: 0) == [Self.elsewhere])
    #expect(space.addresses(ofFolio: 6, device: 0) == [Self.elsewhere + 3 * page])
    #expect(space.fault(at: start) == .unmapped)
  }

  /// Catches attributes lost on the way.
  @Test func `keeps protection, mode and advice`() throws {
    var space = try AddressSpace(
      huge8, length: huge, protection: .read, access: .readOnly)
    _ = try space.make(.advise(15), start, huge)
    _ = try space.make(move(2 * huge), start, huge, at: Self.elsewhere)
    #expect(space.windows[0].protection == .read && space.windows[0].access == .readOnly)
    guard case .beyondDevice = space.fault(at: Self.elsewhere) else { throw Errno.badAddress }
  }

  /// Catches a middle part that takes its neighbours along, or leaves them with wrong offsets.
  @Test func `moves the middle of a window out of it`() throws {
    var space = try AddressSpace(base16, length: 6 * page)
    space.touchAll(6 * page)
    let change = move(2 * page, to: Self.elsewhere)
    #expect(try space.make(change, start + 2 * page, 2 * page).isEmpty)
    #expect(space.windows.map(\.offset) == [0, 4 * page, 2 * page])
    #expect(space.windows.map(\.presentCount) == [2, 2, 2])
    // Back again: one window.
    _ = try space.make(move(2 * page, to: start + 2 * page), Self.elsewhere, 2 * page)
    #expect(space.ranges == [start..<start + 6 * page])
  }

  /// Catches references of what MREMAP_FIXED unmaps at its target.
  @Test func `over another window releases that one`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    try space.add(Self.elsewhere, 4 * page, of: base16, device: 1)
    space.touchAll(4 * page)
    for index in 0..<4 as Range<UInt64> { _ = space.fault(at: Self.elsewhere + index * page) }
    #expect(
      try space.make(move(2 * page, to: Self.elsewhere + page), start, 4 * page)
        == [run(2..<4), run(1..<3, of: 1)])
    #expect(space.windows.map(\.device) == [1, 0, 1])
    #expect(space.windows.map(\.presentCount) == [1, 2, 1])
  }

  /// Catches old length 0 treated as a move: it makes a second mapping of the same pages, with no entry.
  @Test func `of old length 0 duplicates`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge, offset: huge)
    space.touchAll(2 * huge)
    #expect(try space.make(move(huge), start + huge, 0, at: Self.elsewhere).isEmpty)
    #expect(
      space.ranges == [start..<start + 2 * huge, Self.elsewhere..<Self.elsewhere + huge])
    #expect(space.windows.map(\.presentCount) == [2, 0])
    #expect(
      space.fault(at: Self.elsewhere)
        == .install(device: 0, folios: 2..<3, address: Self.elsewhere, length: huge))
    #expect(space.addresses(ofFolio: 2, device: 0) == [start + huge, Self.elsewhere])
    #expect(throws: Errno.noMemory) {
      try space.begin(move(huge, mayMove: false), address: start, length: 0, id: 1)
    }
  }

  /// Catches a huge entry kept where the hardware could not have one.
  @Test func `to a place off the alignment loses the huge entries`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    space.touchAll(2 * huge)
    #expect(
      try space.make(move(2 * huge, to: Self.elsewhere + page), start, 2 * huge) == [run(0..<2)])
    #expect(space.mappedFolios(device: 0) == 0)
    guard case .beyondDevice = space.fault(at: Self.elsewhere + page) else {
      throw Errno.badAddress
    }
  }

  /// Catches a new place that `__check_vma` would refuse at every fault.
  @Test func `asks for a place that is congruent to the device`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    let plan = try space.begin(move(4 * huge), address: start, length: 2 * huge, id: 1)
    #expect(plan.alignment == huge && plan.congruence == 0)
    space.abandon(id: 1)
    // In place, or to a target of the caller's: no choice to make.
    let stays = try space.begin(
      move(4 * huge, mayMove: false), address: start, length: 2 * huge, id: 1)
    #expect(stays.alignment == 0)
  }

  /// Catches a cut inside a huge page by any of the four edges a move has.
  @Test func `inside a huge page is EINVAL`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    try space.add(Self.elsewhere, 2 * huge, of: huge8, device: 1)
    for (change, address, length) in [
      (move(huge + page), start, 2 * huge),
      (move(4 * huge), start, huge + page),
      (move(4 * huge), start + page, 2 * huge - page),
      (move(huge, to: Self.elsewhere + page), start, huge),
      (move(page, to: Self.elsewhere + huge), start, huge),
      (move(huge), start + page, 0),
    ] {
      #expect(throws: Errno.invalidArgument, "\(change)") {
        try space.begin(change, address: address, length: length, id: 1)
      }
    }
    #expect(!space.isChanging)
  }

  /// Catches errnos other than those of `do_mremap` (oracle `devdax-4k-api`: EFAULT across a hole).
  @Test func `refuses what mremap refuses`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    try space.add(start + 5 * page, page, of: base16, offset: 9 * page)
    for (change, address, length, errno) in [
      (move(0), start, page, .invalidArgument),
      (move(page), start + 1, page, .invalidArgument),
      (move(.max), start, page, .invalidArgument),
      (move(page), start, .max, .invalidArgument),
      (move(page, mayMove: false, to: Self.elsewhere), start, page, .invalidArgument),
      (move(page, to: start + 1), start + 2 * page, page, .invalidArgument),
      (move(2 * page, to: start + page), start, 2 * page, .invalidArgument),
      (move(2 * page, to: start), start + page, page, .invalidArgument),
      (move(8 * page), start, 6 * page, .badAddress),
      (move(8 * page, to: Self.elsewhere), start, 5 * page, .badAddress),
      (move(2 * page, mayMove: false), start, page, .noMemory),
    ] as [(Change, UInt64, UInt64, Errno)] {
      #expect(throws: errno, "\(change) \(length)") {
        try space.begin(change, address: address, length: length, id: 1)
      }
    }
    #expect(!space.isChanging)
  }

  /// Catches a failed mremap that has moved the model's window.
  @Test func `that failed has changed nothing`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    space.touchAll(4 * page)
    _ = try space.begin(move(8 * page), address: start, length: 4 * page, id: 1)
    #expect(space.complete(id: 1, succeeded: false).isEmpty)
    #expect(space.ranges == [start..<start + 4 * page] && space.windows[0].presentCount == 4)
  }

  /// Catches a model that is corrupted, or a server that stops, when a workload lies about its own memory.
  @Test(arguments: [1, .max, .max - 4095, start + 1] as [UInt64])
  func `to a place that no kernel gives costs the workload its window`(lie: UInt64) throws {
    var space = try AddressSpace(base16, length: 4 * page)
    space.touchAll(4 * page)
    #expect(try space.make(move(8 * page), start, 4 * page, at: lie) == [run(0..<4)])
    #expect(space.windows.isEmpty)
  }

  /// Catches a reference lost when the lie lands on windows that are in use.
  @Test func `onto windows in use gives their references back`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    try space.add(Self.elsewhere, huge, of: huge8, device: 1)
    space.touchAll(4 * page)
    _ = space.fault(at: Self.elsewhere)
    #expect(
      try space.make(move(8 * page), start, 4 * page, at: Self.elsewhere + page)
        == [run(0..<1, of: 1)])
    #expect(space.mappedFolios(device: 0) == 4 && space.mappedFolios(device: 1) == 0)
    // Onto itself, shifted by a page.
    var own = try AddressSpace(base16, length: 4 * page)
    own.touchAll(4 * page)
    #expect(try own.make(move(8 * page), start, 4 * page, at: start + page).isEmpty)
    #expect(own.ranges == [start + page..<start + 9 * page] && own.mappedFolios(device: 0) == 4)
  }
}
