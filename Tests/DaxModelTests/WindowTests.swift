import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `windows` {
  /// Catches neighbours kept apart, or made one although they show different places.
  @Test func `become one if the second continues the first`() throws {
    var space = try AddressSpace(base16, length: 2 * page)
    try space.add(start + 2 * page, page, of: base16, offset: 2 * page)
    #expect(space.ranges == [start..<start + 3 * page])
    // Into the gap's other side, then the gap.
    try space.add(start + 4 * page, page, of: base16, offset: 4 * page)
    #expect(space.windows.count == 2)
    try space.add(start + 3 * page, page, of: base16, offset: 3 * page)
    #expect(space.ranges == [start..<start + 5 * page])
    #expect(space.windows[0].offset == 0)
  }

  /// Catches two mappings taken for one VMA: mremap and munmap would then judge the wrong thing.
  @Test func `stay apart if anything differs`() throws {
    var space = try AddressSpace(base16, length: page)
    try space.add(start + page, page, of: base16, offset: 2 * page)  // a gap in the device
    try space.add(start + 2 * page, page, of: base16, device: 1, offset: 3 * page)
    try space.add(
      start + 3 * page, page, of: base16, device: 1, offset: 4 * page, protection: .read)
    try space.add(
      start + 4 * page, page, of: base16, device: 1, offset: 5 * page, protection: .read,
      access: .readOnly)
    #expect(space.windows.count == 5)
    #expect(space.maps(device: 1))
    #expect(!space.maps(device: 2))
  }

  /// Catches a process told of its mapping with the lowest address, where the kernel tells the one that was entered first.
  @Test func `of one offset are in the order of mapping, not of addresses`() throws {
    var space = try AddressSpace(base16, length: page)
    try space.add(start - 4 * page, page, of: base16, offset: 0)
    for window in space.windows { _ = space.fault(at: window.range.lowerBound) }
    #expect(space.places(ofFolio: 0, device: 0).map(\.address) == [start, start - 4 * page])
    // What moves is entered again.
    _ = try space.make(move(2 * page), start, page, at: start + 8 * page)
    #expect(
      space.places(ofFolio: 0, device: 0).map(\.address) == [start - 4 * page, start + 8 * page])
    #expect(space.places(ofFolio: 0, device: 1).isEmpty)
  }

  /// Catches a child whose mappings are told in the order in which it says that it has them; a number that leaves none for its own.
  @Test func `of a child are in the order of its parent's, and before its own`() throws {
    var space = AddressSpace()
    let places = [start, start + 2 * page, start + 4 * page]
    for (place, entered) in zip(places, [7, .max, nil] as [UInt64?]) {
      try space.add(
        range: place..<place + page, device: 0, geometry: base16, offset: 0, protection: .read,
        access: .readOnly, entered: entered)
    }
    try space.add(
      range: start + 6 * page..<start + 7 * page, device: 0, geometry: base16, offset: 0,
      protection: .read, access: .readOnly, entered: 3)
    for window in space.windows { _ = space.fault(at: window.range.lowerBound) }
    #expect(
      space.places(ofFolio: 0, device: 0).map(\.address) == [start + 6 * page] + places)
  }

  /// Catches a window laid over another one, whose counts would be lost.
  @Test func `never overlap`() throws {
    var space = try AddressSpace(base16, length: 3 * page)
    for (address, length) in [
      (start, page), (start + page, page), (start - page, 2 * page), (start + 2 * page, 2 * page),
      (start - page, 5 * page),
    ] {
      #expect(throws: Errno.fileExists) { try space.add(address, length, of: base16) }
    }
    #expect(throws: Errno.invalidArgument) { try space.add(start + 5 * page + 1, page, of: base16) }
    #expect(space.ranges == [start..<start + 3 * page])
  }

  /// Catches entries lost or doubled when windows are split and joined: the bits stay where the
  /// pages are.
  @Test func `keep their entries when they are split and joined again`() throws {
    var space = try AddressSpace(base16, length: 8 * page)
    for index in [0, 3, 4, 7] as [UInt64] { _ = space.fault(at: start + index * page) }
    #expect(try space.make(.protect(.read), start + 2 * page, 3 * page).isEmpty)
    #expect(space.windows.map(\.presentCount) == [1, 2, 1])
    #expect(space.windows.map(\.offset) == [0, 2 * page, 5 * page])
    #expect(space.windows.map(\.protection) == [[.read, .write], .read, [.read, .write]])
    #expect(try space.make(.protect([.read, .write]), start, 8 * page).isEmpty)
    #expect(space.ranges == [start..<start + 8 * page])
    #expect(space.windows[0].presentCount == 4)
    for index in 0..<8 as Range<UInt64> {
      #expect(space.windows[0].isPresent(start + index * page) == [0, 3, 4, 7].contains(index))
    }
  }

  /// Catches a bitmap that is cut wrongly where its chunks (128 MiB of 4 KiB pages) meet.
  @Test func `keep their entries across the chunks of the presence map`() throws {
    let device = DeviceGeometry(size: 1 << 30, alignment: .base)
    let edge: UInt64 = 128 << 20
    var space = try AddressSpace(device, length: 3 * edge)
    for chunk in [edge, 2 * edge] {
      for offset in [chunk - page, chunk] { _ = space.fault(at: start + offset) }
    }
    _ = try space.make(.protect(.read), start + edge - page, edge + 2 * page)
    #expect(space.windows.map(\.presentCount) == [0, 4, 0])
    _ = try space.make(.protect([.read, .write]), start, 3 * edge)
    #expect(space.windows.map(\.presentCount) == [4])
    let first = Int(edge / page)
    #expect(
      try space.make(.unmap, start, 3 * edge)
        == [run(first - 1..<first + 1), run(2 * first - 1..<2 * first + 1)])
  }

  /// Catches a rmap that names a wrong address, or none: it is what a folio's mapcount is checked
  /// against.
  @Test func `say at which addresses a folio is present`() throws {
    var space = try AddressSpace(base16, length: 4 * page, offset: 2 * page)
    try space.add(start + 8 * page, 4 * page, of: base16, offset: 3 * page)
    _ = space.fault(at: start + page)
    _ = space.fault(at: start + 8 * page)
    #expect(space.addresses(ofFolio: 3, device: 0) == [start + page, start + 8 * page])
    #expect(space.addresses(ofFolio: 4, device: 0).isEmpty)
    #expect(space.addresses(ofFolio: 1, device: 0).isEmpty)
    #expect(space.addresses(ofFolio: 15, device: 0).isEmpty)
    #expect(space.addresses(ofFolio: 3, device: 1).isEmpty)
    #expect(space.mappedFolios(device: 0) == 2)
    #expect(space.residentBytes == 2 * page)
  }

  /// Catches entries that survive the process.
  @Test func `are all forgotten at the end, changes included`() throws {
    var space = try AddressSpace(huge8, length: 3 * huge)
    try space.add(start + 8 * huge, huge, of: huge8, device: 1)
    space.touchAll(2 * huge)
    _ = space.fault(at: start + 8 * huge)
    #expect(space.residentBytes == 3 * huge)
    _ = try space.begin(.unmap, address: start, length: huge, id: 1)
    #expect(space.removeAll() == [run(0..<2), run(0..<1, of: 1)])
    #expect(space.windows.isEmpty && !space.isChanging && space.residentBytes == 0)
    #expect(space.complete(id: 1, succeeded: true).isEmpty)
    #expect(space.removeAll().isEmpty)
  }
}
