import DaxModel
import PmemBase
import SystemPackage
import Testing

/// Section "device-dax" of the conformance list.
@Suite struct `a device-dax node` {
  private typealias Map = `mmap of a device-dax node`

  /// Catches a length that a huge page does not fill.
  @Test func `DD-01: refuses 4 KiB of a 2 MiB device`() {
    #expect(throws: Errno.invalidArgument) { try Map.map(Map.huge, length: 4096) }
    #expect(throws: Never.self) { try Map.map(Map.base, length: 4096) }
  }

  /// Catches a private mapping.
  @Test(arguments: [PageSize.base, .huge, .giant])
  func `DD-02: refuses MAP_PRIVATE`(alignment: PageSize) {
    #expect(throws: Errno.invalidArgument) {
      try Map.map(
        DeviceGeometry(size: 4 << 30, alignment: alignment), length: alignment.bytes,
        protection: .read, shared: false)
    }
  }

  /// Catches an offset that is checked by itself, or an address that is chosen without it.
  @Test func `DD-03: refuses an odd offset where the address follows it`() {
    #expect(throws: Errno.invalidArgument) {
      try Map.map(Map.huge, length: 4 << 20, offset: 4096)
    }
    #expect(throws: Never.self) { try Map.map(Map.huge, length: 2 << 20, offset: 4096) }
  }

  private func folio(
    _ geometry: DeviceGeometry, _ length: UInt64, touch: UInt64
  ) throws -> FaultDecision {
    var space = try AddressSpace(geometry, length: length)
    return space.fault(at: start + touch)
  }

  /// Catches any other size than the device's.
  @Test(arguments: [PageSize.huge, .giant, .base])
  func `DD-04, DD-05, DD-06: is mapped at its alignment and at no other size`(
    alignment: PageSize
  ) throws {
    let geometry = DeviceGeometry(size: 4 << 30, alignment: alignment)
    let decision = try folio(geometry, 2 << 30, touch: alignment.bytes + 5)
    #expect(
      decision
        == .install(
          device: 0, folios: 1..<2, address: start + alignment.bytes, length: alignment.bytes))
  }

  /// Catches a mapping refused, or a touch that is not.
  @Test(arguments: [PageSize.base, .huge])
  func `DD-07: behind its end a touch is SIGBUS`(alignment: PageSize) throws {
    let geometry = DeviceGeometry(size: 4 * alignment.bytes, alignment: alignment)
    #expect(throws: Never.self) { try Map.map(geometry, length: 8 * alignment.bytes) }
    var space = try AddressSpace(geometry, length: 8 * alignment.bytes)
    guard case .beyondDevice = space.fault(at: start + 4 * alignment.bytes) else {
      Issue.record("a touch behind the end was let through")
      return
    }
    guard case .install = space.fault(at: start + 3 * alignment.bytes) else {
      Issue.record("the last block was refused")
      return
    }
  }

  /// Catches a huge page made of two ranges that are apart.
  @Test func `DD-08: where one physical range ends inside a block a touch is SIGBUS`() throws {
    let geometry = DeviceGeometry(
      size: 4 * huge, alignment: .huge, ranges: [3 * huge / 2, 5 * huge / 2])
    #expect(geometry.straddling == [1])
    var space = try AddressSpace(geometry, length: 4 * huge)
    let populated = space.populate(from: start, upTo: start + 4 * huge, limit: 512).decision
    guard case .install(_, 0..<1, _, _) = populated else {
      Issue.record("a run went over a block across two ranges")
      return
    }
    _ = try space.make(.zap, start, 4 * huge)
    guard case .beyondDevice = space.fault(at: start + huge) else {
      Issue.record("a block across two ranges was mapped")
      return
    }
    for folio in [0, 2, 3] as [UInt64] {
      guard case .install(_, let folios, _, _) = space.fault(at: start + folio * huge, around: 4)
      else {
        Issue.record("folio \(folio) was refused")
        return
      }
      #expect(!folios.contains(1))
      _ = try space.make(.zap, start, 4 * huge)
    }
  }

  /// Catches a cut inside a huge page.
  @Test func `DD-09: munmap of 4 KiB of a huge page is EINVAL and changes nothing`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    space.touchAll(2 * huge)
    #expect(throws: Errno.invalidArgument) { try space.make(.unmap, start, page) }
    #expect(space.ranges == [start..<start + 2 * huge])
    #expect(space.window(at: start)?.presentCount == 2)
  }

  /// Catches a huge page that is split, or one that cannot come back.
  @Test func `DD-10: MADV_DONTNEED of 4 KiB zaps the huge page, and it faults in again`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    space.touchAll(2 * huge)
    #expect(try space.make(.advise(4), start + page, page) == [run(0..<1)])
    #expect(space.window(at: start)?.isPresent(start) == false)
    guard case .install(_, 0..<1, _, _) = space.fault(at: start) else {
      Issue.record("the page did not come back")
      return
    }
  }

  /// Catches a small page on a huge device (inferred).
  @Test func `DD-11: after MADV_NOHUGEPAGE every touch of a huge device is SIGBUS`() throws {
    var space = try AddressSpace(huge8, length: 2 * huge)
    #expect(try space.make(.advise(15), start, 2 * huge) == [])
    guard case .beyondDevice = space.fault(at: start) else {
      Issue.record("a touch was let through")
      return
    }
    var small = try AddressSpace(base16, length: page)
    _ = try small.make(.advise(15), start, page)
    guard case .install = small.fault(at: start) else {
      Issue.record("a small device has no huge pages to lose")
      return
    }
  }

  /// Catches a call answered as for a file.
  @Test(
    arguments: [
      (.read, .invalidArgument), (.write, .invalidArgument), (.synchronize, .invalidArgument),
      (.truncate, .invalidArgument), (.allocate, .operationNotSupportedByDevice),
      (.control, .inappropriateIOCTLForDevice),
    ] as [(DeviceDaxRules.Call, Errno)])
  func `DD-12: has no method for anything but mmap`(call: DeviceDaxRules.Call, errno: Errno) {
    #expect(throws: errno) { try DeviceDaxRules.answer(call) }
  }

  /// Catches a size found by seeking.
  @Test func `DD-13: lseek to the end is 0`() throws {
    #expect(try DeviceDaxRules.answer(.seek) == 0)
  }

  /// Catches sizes changed under a driver, and errnos in another order than the kernel's.
  @Test func `DD-14: its size and alignment can be changed only without a driver`() throws {
    var device = DeviceDaxRules.BusDevice(
      size: 4 * huge, alignment: huge, available: 2 * huge, isBound: true)
    #expect(throws: Errno.resourceBusy) {
      try DeviceDaxRules.store(size: "2097152\n", to: &device)
    }
    #expect(throws: Errno.resourceBusy) {
      try DeviceDaxRules.store(alignment: "4096", to: &device)
    }
    #expect(throws: Errno.invalidArgument) {
      try DeviceDaxRules.store(alignment: "8192", to: &device)
    }
    #expect(throws: Errno.noSuchAddressOrDevice) {
      try DeviceDaxRules.store(alignment: "2M", to: &device)
    }
    device.isBound = false
    #expect(throws: Errno.invalidArgument) {
      try DeviceDaxRules.store(size: "4096", to: &device)
    }
    #expect(throws: Errno.noSpace) { try DeviceDaxRules.store(size: "0x1000000", to: &device) }
    try DeviceDaxRules.store(size: "0x600000", to: &device)
    #expect(device.size == 3 * huge && device.available == 3 * huge)
    #expect(throws: Errno.invalidArgument) {
      try DeviceDaxRules.store(alignment: "1073741824", to: &device)
    }
    try DeviceDaxRules.store(alignment: "4096\n", to: &device)
    #expect(device.alignment == 4096)
  }

  /// Catches a mapping that may do more than its descriptor.
  @Test func `DD-15: a read-only descriptor gives no writable mapping`() {
    #expect(throws: Errno.permissionDenied) {
      try Map.map(Map.base, length: 4096, access: .readOnly)
    }
  }

  /// Catches an injection by whoever asks: the model knows no privileges.
  @Test func `MF-49: MADV_HWPOISON without privileges is EPERM`() throws {
    var space = try AddressSpace(huge8, length: huge)
    #expect(throws: Errno.notPermitted) { try space.make(.advise(100), start, page) }
    #expect(throws: Errno.notPermitted) { try space.make(.advise(101), start, page) }
  }
}
