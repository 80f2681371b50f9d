import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `a change under way` {
  /// Catches two changes in one place: whose completion comes second would give back what the first has given back.
  @Test func `keeps other changes out of its range, and no further`() throws {
    var space = try AddressSpace(base16, length: 8 * page)
    _ = try space.begin(.zap, address: start + 2 * page, length: 2 * page, id: 1)
    for change in [Change.unmap, .zap, .protect(.read), .advise(10), move(page)] {
      #expect(throws: Errno.resourceTemporarilyUnavailable, "\(change)") {
        try space.begin(change, address: start + 3 * page, length: 2 * page, id: 2)
      }
    }
    #expect(throws: Errno.resourceTemporarilyUnavailable) {
      try space.begin(move(page, to: start + 2 * page), address: start, length: page, id: 2)
    }
    _ = try space.begin(.unmap, address: start + 4 * page, length: page, id: 2)
    _ = try space.begin(.protect(.read), address: start, length: 2 * page, id: 3)
    #expect(space.isChanging(start + 3 * page..<start + 4 * page))
    #expect(!space.isChanging(start + 5 * page..<start + 6 * page))
  }

  /// Catches a refused call that holds its range for ever.
  @Test func `is one only if it was accepted`() throws {
    var space = try AddressSpace(huge8, length: huge)
    _ = try? space.begin(.unmap, address: start, length: page, id: 1)
    _ = try space.begin(.sync(flags: 1), address: start, length: huge, id: 1)
    #expect(!space.isChanging)
  }

  /// Catches a new window mixed up with the one that is being unmapped there.
  @Test func `keeps new windows out until it is complete`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    space.touchAll(4 * page)
    _ = try space.begin(.unmap, address: start, length: 4 * page, id: 1)
    #expect(throws: Errno.resourceTemporarilyUnavailable) {
      try space.add(start, page, of: base16)
    }
    #expect(space.complete(id: 1, succeeded: true) == [run(0..<4)])
    #expect(throws: Never.self) { try space.add(start, page, of: base16) }
  }

  /// Catches references that are gone though the call failed, or its caller died.
  @Test(arguments: [Change.unmap, .zap, .protect(.read), .advise(10)])
  func `that fails or is abandoned leaves everything`(change: Change) throws {
    var space = try AddressSpace(base16, length: 4 * page)
    space.touchAll(4 * page)
    _ = try space.begin(change, address: start + page, length: page, id: 1)
    #expect(space.complete(id: 1, succeeded: false).isEmpty)
    _ = try space.begin(change, address: start + page, length: page, id: 2)
    space.abandon(id: 2)
    #expect(space.complete(id: 2, succeeded: true).isEmpty)
    #expect(space.ranges == [start..<start + 4 * page])
    #expect(space.windows[0].presentCount == 4 && space.windows[0].protection == [.read, .write])
    guard case .present = space.fault(at: start + page) else { throw Errno.badAddress }
  }

  /// Catches a trap, or a release, for what a peer has made up or says twice.
  @Test func `that nobody began completes as nothing`() throws {
    var space = try AddressSpace(base16, length: 4 * page)
    space.touchAll(4 * page)
    #expect(space.complete(id: 9, succeeded: true).isEmpty)
    space.abandon(id: 9)
    _ = try space.begin(.unmap, address: start, length: page, id: 1)
    #expect(space.complete(id: 1, succeeded: true) == [run(0..<1)])
    #expect(space.complete(id: 1, succeeded: true).isEmpty)
  }

  /// Catches a new window that an old munmap takes away: the kernel has given its place to a move in between.
  @Test func `does not take what a move has put there meanwhile`() throws {
    let elsewhere = start + 100 * page
    var space = try AddressSpace(base16, length: 2 * page)
    try space.add(elsewhere, 6 * page, of: base16, device: 1)
    space.touchAll(2 * page)
    for index in 0..<6 as Range<UInt64> { _ = space.fault(at: elsewhere + index * page) }
    _ = try space.begin(move(4 * page), address: start, length: 2 * page, id: 1)
    _ = try space.begin(.unmap, address: elsewhere, length: 6 * page, id: 2)
    // Both calls were made; the move is heard of first.
    #expect(
      space.complete(id: 1, succeeded: true, newAddress: elsewhere + page) == [run(1..<5, of: 1)])
    #expect(space.fault(at: elsewhere) == .wait)
    guard case .present = space.fault(at: elsewhere + page) else { throw Errno.badAddress }
    #expect(
      space.complete(id: 2, succeeded: true) == [run(0..<1, of: 1), run(5..<6, of: 1)])
    #expect(space.ranges == [elsewhere + page..<elsewhere + 5 * page])
    #expect(space.mappedFolios(device: 0) == 2)
  }

  /// Catches two changes that cannot be told apart: a bug of the caller, which must not go on.
  @Test func `has an id of its own`() async {
    await #expect(processExitsWith: .failure) {
      var space = try AddressSpace(base16, length: 4 * page)
      _ = try space.begin(.unmap, address: start, length: page, id: 1)
      _ = try? space.begin(.unmap, address: start + page, length: page, id: 1)
    }
  }
}
