import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `a touch` {
  /// Catches an entry inserted twice, hence a second reference that nobody gives back.
  @Test func `installs the folio, once`() throws {
    var space = try AddressSpace(base16, length: 4 * page, offset: 5 * page)
    #expect(
      space.fault(at: start + page + 123)
        == .install(device: 0, folios: 6..<7, address: start + page, length: page))
    #expect(
      space.fault(at: start + page) == .present(device: 0, address: start + page, length: page))
    #expect(space.windows[0].presentCount == 1)
  }

  /// Catches a huge page installed in pieces (DD-04): one entry, one folio, 2 MiB.
  @Test(arguments: [0, 1, 4095, 4096, (2 << 20) - 1] as [UInt64])
  func `installs a whole huge page wherever it is touched`(byte: UInt64) throws {
    var space = try AddressSpace(huge8, length: 2 * huge, offset: 3 * huge)
    #expect(
      space.fault(at: start + huge + byte)
        == .install(device: 0, folios: 4..<5, address: start + huge, length: huge))
    #expect(
      space.fault(at: start + huge)
        == .present(device: 0, address: start + huge, length: huge))
    #expect(space.residentBytes == huge)
  }

  /// Catches a 1 GiB device that is mapped with smaller entries (DD-05's kin).
  @Test func `installs 1 GiB at once on a device of that alignment`() throws {
    let giant = DeviceGeometry(size: 2 << 30, alignment: .giant)
    var space = try AddressSpace(giant, length: 2 << 30)
    #expect(
      space.fault(at: start + (1 << 30) + 5)
        == .install(device: 0, folios: 1..<2, address: start + (1 << 30), length: 1 << 30))
  }

  /// Catches an insertion past the device's end, which would be another device's memory (DD-07).
  @Test func `is beyond the device where no whole folio is`() throws {
    let device = DeviceGeometry(size: 2 * page + 512, alignment: .base)
    var space = try AddressSpace(device, length: 4 * page, protection: .read)
    guard case .install = space.fault(at: start + page) else { throw Errno.badAddress }
    #expect(
      space.fault(at: start + 2 * page + 100)
        == .beyondDevice(device: 0, address: start + 2 * page, length: page, protection: .read))

    // 502 MiB of 2 MiB pages, touched as in the oracle's devdax-2m-api.
    let oracle = DeviceGeometry(size: 526_385_152, alignment: .huge)
    var other = try AddressSpace(oracle, length: 0x100_0000, offset: 0x1f00_0000)
    guard case .install = other.fault(at: start + 0x5f_ffff) else { throw Errno.badAddress }
    guard case .beyondDevice = other.fault(at: start + 0x60_0000) else { throw Errno.badAddress }
  }

  /// Catches an answer for memory that is not the device's.
  @Test func `outside every window is unmapped`() throws {
    var space = try AddressSpace(base16, length: page)
    for address in [start - 1, start + page, 0, .max] {
      #expect(space.fault(at: address) == .unmapped)
    }
    var empty = AddressSpace()
    #expect(empty.fault(at: start) == .unmapped)
  }

  /// Catches a fault let through while the kernel is taking the page away: its reference would never go back.
  @Test func `in a range that is changing waits`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    _ = try space.begin(.unmap, address: start + page, length: page, id: 1)
    #expect(space.fault(at: start + page) == .wait)
    guard case .install = space.fault(at: start) else { throw Errno.badAddress }
    guard case .install = space.fault(at: start + 2 * page) else { throw Errno.badAddress }
    _ = space.complete(id: 1, succeeded: true)
    #expect(space.fault(at: start + page) == .unmapped)
  }

  /// Catches SIGSEGV for a page whose mremap has been made, but not been reported yet.
  @Test func `of a place where a move may be going waits`() throws {
    var space = try AddressSpace(base16, length: 2 * page)
    _ = try space.begin(move(8 * page), address: start, length: 2 * page, id: 1)
    #expect(space.fault(at: start + 100 * page) == .wait)
    space.abandon(id: 1)
    #expect(space.fault(at: start + 100 * page) == .unmapped)
    _ = try space.begin(move(page, to: start + 9 * page), address: start, length: page, id: 2)
    #expect(space.fault(at: start + 9 * page) == .wait)
    #expect(space.fault(at: start + 10 * page) == .unmapped)
  }

  /// Catches a huge page installed in a window that `__check_vma` would refuse at the fault.
  @Test func `in a window off the alignment is beyond the device`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    _ = try space.make(move(2 * huge + page), start, 2 * huge, at: start)
    #expect(
      space.fault(at: start)
        == .beyondDevice(device: 0, address: start, length: huge, protection: [.read, .write]))
    #expect(
      space.fault(at: start + 2 * huge)
        == .beyondDevice(
          device: 0, address: start + 2 * huge, length: page, protection: [.read, .write]))
    var offset = try AddressSpace(huge8, length: huge, offset: page)
    guard case .beyondDevice = offset.fault(at: start) else { throw Errno.badAddress }
  }

  /// Catches MADV_NOHUGEPAGE that is forgotten, or never taken back (DD-11).
  @Test func `after MADV_NOHUGEPAGE is beyond a huge device, until MADV_HUGEPAGE`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    _ = try space.make(.advise(15), start, huge)
    guard case .beyondDevice = space.fault(at: start) else { throw Errno.badAddress }
    guard case .install = space.fault(at: start + huge) else { throw Errno.badAddress }
    _ = try space.make(.advise(14), start, huge)
    #expect(space.windows.count == 1)
    guard case .install = space.fault(at: start) else { throw Errno.badAddress }

    var base = try AddressSpace(base16, length: page)
    _ = try base.make(.advise(15), start, page)
    guard case .install = base.fault(at: start) else { throw Errno.badAddress }
  }
}

@Suite struct `fault-around` {
  /// Catches a block that is not naturally aligned, or not rounded down to a power of two.
  @Test func `installs the aligned block around the touch`() throws {
    for (around, folios) in [
      (0, 5..<6), (1, 5..<6), (2, 4..<6), (3, 4..<6), (4, 4..<8), (7, 4..<8),
    ] {
      var space = try AddressSpace(base16, length: 16 * page)
      #expect(
        space.fault(at: start + 5 * page, around: around)
          == .install(
            device: 0, folios: folios, address: start + UInt64(folios.lowerBound) * page,
            length: UInt64(folios.count) * page), "around \(around)")
      #expect(space.windows[0].presentCount == folios.count)
    }
  }

  /// Catches a second reference for a page that is there, or one for a page that is nobody's.
  @Test func `stops at the window, the device, what is present and what is changing`() throws {
    var window = try AddressSpace(base16, length: 3 * page, offset: 2 * page)
    #expect(
      window.fault(at: start + page, around: .max)
        == .install(device: 0, folios: 2..<5, address: start, length: 3 * page))

    var device = try AddressSpace(
      DeviceGeometry(size: 3 * page, alignment: .base), length: 8 * page)
    #expect(
      device.fault(at: start, around: 16)
        == .install(device: 0, folios: 0..<3, address: start, length: 3 * page))

    var present = try AddressSpace(base16, length: 16 * page)
    _ = present.fault(at: start + 2 * page)
    _ = present.fault(at: start + 6 * page)
    #expect(
      present.fault(at: start + 4 * page, around: 16)
        == .install(device: 0, folios: 3..<6, address: start + 3 * page, length: 3 * page))

    var changing = try AddressSpace(base16, length: 16 * page)
    _ = try changing.begin(.zap, address: start + 2 * page, length: page, id: 1)
    _ = try changing.begin(.zap, address: start + 6 * page, length: page, id: 2)
    #expect(
      changing.fault(at: start + 4 * page, around: 16)
        == .install(device: 0, folios: 3..<6, address: start + 3 * page, length: 3 * page))
  }
}

@Suite struct `populate` {
  /// Catches pages left out or inserted twice: the runs together are what was absent.
  @Test func `inserts what is absent, in runs`() throws {
    var space = try AddressSpace(base16, length: 8 * page)
    _ = space.fault(at: start + 3 * page)
    var at = start
    var folios: [Range<Int>] = []
    while true {
      let step = space.populate(from: at, upTo: start + 8 * page, limit: 2)
      guard case .install(0, let run, let address, let length) = step.decision else {
        #expect(step.decision == nil)
        break
      }
      #expect(
        address == start + UInt64(run.lowerBound) * page && length == UInt64(run.count) * page)
      #expect(step.next == address + length)
      folios.append(run)
      at = step.next
    }
    #expect(folios == [0..<2, 2..<3, 4..<6, 6..<8])
    #expect(space.windows[0].presentCount == 8)
  }

  /// Catches a loop that does not end, or ends too early, at what cannot be inserted.
  @Test func `waits for changes, and says what cannot be inserted`() throws {
    var space = try AddressSpace(
      DeviceGeometry(size: 2 * page, alignment: .base), length: 3 * page)
    try space.add(start + 5 * page, page, of: base16, device: 1)
    _ = try space.begin(.zap, address: start + page, length: page, id: 1)
    let end = start + 6 * page
    #expect(space.populate(from: start, upTo: end, limit: 9).next == start + page)
    let waits = space.populate(from: start + page, upTo: end, limit: 9)
    #expect(waits.decision == .wait && waits.next == start + page)
    _ = space.complete(id: 1, succeeded: true)
    #expect(space.populate(from: start + page, upTo: end, limit: 9).next == start + 2 * page)

    let beyond = space.populate(from: start + 2 * page, upTo: end, limit: 9)
    #expect(
      beyond.decision
        == .beyondDevice(
          device: 0, address: start + 2 * page, length: page, protection: [.read, .write]))
    #expect(beyond.next == start + 3 * page)
    let hole = space.populate(from: beyond.next, upTo: end, limit: 9)
    #expect(hole.decision == .unmapped && hole.next == start + 5 * page)
    #expect(
      space.populate(from: start + 6 * page, upTo: start + 9 * page, limit: 1).next
        == start + 9 * page)
    let nothing = space.populate(from: start, upTo: start, limit: 1)
    #expect(nothing.decision == nil && nothing.next == start)
  }

  /// Catches a huge page left out because the range only cuts it.
  @Test func `inserts whole huge pages`() throws {
    var space = try AddressSpace(huge8, length: 4 * huge)
    let step = space.populate(from: start + page, upTo: start + huge + page, limit: 8)
    #expect(
      step.decision == .install(device: 0, folios: 0..<2, address: start, length: 2 * huge))
    #expect(step.next == start + 2 * huge)
  }
}

@Suite struct `an installation that failed` {
  /// Catches an entry that stays in the model though the kernel has none: it would never be installed again.
  @Test func `is taken back, and can be tried again`() throws {
    var space = try AddressSpace(base16, length: 8 * page)
    let first = space.fault(at: start + 2 * page, around: 4)
    #expect(space.retract(device: 0, address: start, length: 4 * page) == [run(0..<4)])
    #expect(space.windows[0].presentCount == 0)
    #expect(space.fault(at: start + 2 * page, around: 4) == first)
  }

  /// Catches a reference given back twice: once by the change that came between, once by the retraction.
  @Test func `gives back only what no change has given back`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    _ = space.fault(at: start, around: 4)
    #expect(try space.make(.zap, start + page, page) == [run(1..<2)])
    #expect(
      space.retract(device: 0, address: start, length: 4 * page) == [run(0..<1), run(2..<4)])
    #expect(space.retract(device: 0, address: start, length: 4 * page).isEmpty)
    // Another device has come to the place in the meantime.
    _ = space.fault(at: start)
    #expect(space.retract(device: 1, address: start, length: 4 * page).isEmpty)
    #expect(space.retract(device: 0, address: .max - 1, length: 9).isEmpty)
  }
}
