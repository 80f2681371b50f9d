import DaxModel
import PageModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `gup of a device mapping` {
  private static let start: UInt64 = 0x4000_0000

  private func space(_ geometry: DeviceGeometry, _ protection: Protection = [.read, .write])
    throws -> AddressSpace
  {
    var space = AddressSpace()
    try space.add(
      range: Self.start..<Self.start + geometry.size, device: 0, geometry: geometry, offset: 0,
      protection: protection, access: .readWrite)
    return space
  }

  /// Catches the filesystem's refusal given to a character device.
  @Test(arguments: KernelBehavior.allCases, [PageSize.base, .huge])
  func `RC-20: a long-term pin succeeds`(kernel: KernelBehavior, size: PageSize) throws {
    let geometry = DeviceGeometry(size: 4 * size.bytes, alignment: size)
    let pagemap = Pagemap(
      type: .generic, pageCount: 4 * size.pages, folioSize: size,
      regime: RefcountRegime(kernel))
    var space = try space(geometry)
    let request = GupRequest(isWrite: true, isPin: true, isLongterm: true)
    let (decision, folio) = try space.gup(at: Self.start + size.bytes + 5, request)
    guard case .install(_, 1..<2, _, _) = decision else {
      Issue.record("\(decision)")
      return
    }
    #expect(folio == 1)
    pagemap.map(folio: folio)
    let before = pagemap.counts(folio: folio)
    #expect(pagemap.grab(folio: folio, pinned: true) == .taken)
    #expect(pagemap.maybePinned(folio: folio))
    let after = pagemap.counts(folio: folio)
    #expect(after.refcount == before.refcount + (size == .base ? 1024 : 1))
    #expect(after.pincount == (size == .base ? 0 : 1))
  }

  /// Catches a page that is got without the right to it, beyond the device, or where nothing is.
  @Test func `is EFAULT where a touch would be fatal`() throws {
    var readOnly = try space(DeviceGeometry(size: 8192, alignment: .base), .read)
    #expect(errno(&readOnly, Self.start, .pin) == .badAddress)
    #expect(errno(&readOnly, Self.start, .get) == nil)
    #expect(errno(&readOnly, Self.start + 8192, .get) == .badAddress)
    var long = AddressSpace()
    try long.add(
      range: Self.start..<Self.start + 16384, device: 0,
      geometry: DeviceGeometry(size: 8192, alignment: .base), offset: 0, protection: .read,
      access: .readOnly)
    #expect(errno(&long, Self.start + 8192, .get) == .badAddress)
    #expect(errno(&long, Self.start + 4096, .get) == nil)
  }

  private func errno(_ space: inout AddressSpace, _ address: UInt64, _ request: GupRequest)
    -> Errno?
  {
    do throws(Errno) {
      _ = try space.gup(at: address, request)
      return nil
    } catch {
      return error
    }
  }
}

@Suite struct `a device whose driver goes` {
  /// Catches entries that stay, a touch that maps a page again, and a descriptor that still maps.
  @Test(arguments: [PageSize.base, .huge])
  func `RC-33: is unmapped; touches are SIGBUS and mmap is ENXIO`(size: PageSize) throws {
    let geometry = DeviceGeometry(size: 4 * size.bytes, alignment: size)
    let start: UInt64 = 0x4000_0000
    let pagemap = Pagemap(
      type: .generic, pageCount: 4 * size.pages, folioSize: size, regime: .landed)
    var space = AddressSpace()
    for (device, address) in [(0, start), (1, start + geometry.size)] {
      try space.add(
        range: address..<address + geometry.size, device: device, geometry: geometry, offset: 0,
        protection: .read, access: .readOnly)
    }
    _ = space.fault(at: start)
    _ = space.fault(at: start + geometry.size)
    pagemap.map(folio: 0)
    let released = space.kill(device: 0)
    #expect(released == [ReleasedRun(device: 0, folios: 0..<1)])
    for run in released { pagemap.unmap(folios: run.folios) }
    pagemap.kill()
    #expect(pagemap.life == .dead && pagemap.isIdle())
    for page in [start, start + size.bytes] {
      guard case .beyondDevice(device: 0, _, _, _) = space.fault(at: page) else {
        Issue.record("a touch of a dead device is not SIGBUS")
        return
      }
    }
    // Another device keeps its entry.
    guard case .present = space.fault(at: start + geometry.size) else {
      Issue.record("the neighbour lost its entry")
      return
    }
    let request = MapRequest(
      address: 0, length: size.bytes, offset: 0, protection: .read, access: .readOnly,
      isShared: true, isFixed: false)
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try DeviceDaxRules.map(request, on: geometry.dead)
    }
    #expect(throws: Never.self) { try DeviceDaxRules.map(request, on: geometry) }
  }
}
