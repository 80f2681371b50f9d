import DaxModel
import PmemBase
import SystemPackage
import Testing

@Suite struct `mmap of a device-dax node` {
  static let size: UInt64 = 1 << 30
  static let base = DeviceGeometry(size: size, alignment: .base)
  static let huge = DeviceGeometry(size: size, alignment: .huge)
  static let giant = DeviceGeometry(size: size, alignment: .giant)

  static func map(
    _ device: DeviceGeometry, at address: UInt64 = 0, length: UInt64, offset: UInt64 = 0,
    protection: Protection = [.read, .write], access: AccessMode = .readWrite,
    shared: Bool = true, fixed: Bool = false
  ) throws(Errno) -> MapPlan {
    try DeviceDaxRules.map(
      MapRequest(
        address: address, length: length, offset: offset, protection: protection,
        access: access, isShared: shared, isFixed: fixed), on: device)
  }

  /// Catches a rule that refuses what real drivers map, or a plan that is not rounded.
  @Test func `maps whole blocks at an address that is a multiple of the alignment`() throws {
    #expect(
      try Self.map(Self.huge, length: 2 << 20)
        == MapPlan(length: 2 << 20, alignment: 2 << 20, congruence: 0))
    #expect(
      try Self.map(Self.base, length: 5000)
        == MapPlan(length: 8192, alignment: 4096, congruence: 0))
    #expect(
      try Self.map(Self.giant, length: 1 << 30)
        == MapPlan(length: 1 << 30, alignment: 1 << 30, congruence: 0))
    // The length counts after it was rounded to pages.
    #expect(try Self.map(Self.huge, length: (2 << 20) - 1).length == 2 << 20)
  }

  /// Catches a private mapping that is let through, with whatever protection (DD-02; oracle `devdax-2m-api`).
  @Test(arguments: [Protection.read, [.read, .write], []])
  func `refuses a private mapping`(protection: Protection) {
    for device in [Self.base, Self.huge] {
      #expect(throws: Errno.invalidArgument) {
        try Self.map(device, length: 2 << 20, protection: protection, shared: false)
      }
    }
  }

  /// Catches a length or a place that a huge page cannot fill (DD-01, `__check_vma`).
  @Test func `refuses what is not a multiple of the alignment`() {
    for length in [0, 1, 4096, (2 << 20) + 4096, (2 << 20) + 1] as [UInt64] {
      #expect(throws: Errno.invalidArgument) { try Self.map(Self.huge, length: length) }
    }
    #expect(throws: Errno.invalidArgument) { try Self.map(Self.giant, length: 2 << 20) }
    #expect(throws: Errno.invalidArgument) {
      try Self.map(Self.huge, at: 4096, length: 2 << 20, fixed: true)
    }
    #expect(throws: Errno.invalidArgument) { try Self.map(Self.huge, at: 4096, length: 2 << 20) }
    #expect(throws: Errno.invalidArgument) { try Self.map(Self.base, length: 0) }
  }

  /// Catches a hint that is taken for MAP_FIXED: a hint is rounded up to a page, a fixed place must be on one.
  @Test func `rounds a hint, but not a fixed place`() throws {
    _ = try Self.map(Self.base, at: 4097, length: 4096)
    _ = try Self.map(Self.huge, at: (2 << 20) - 1, length: 2 << 20)
    #expect(throws: Errno.invalidArgument) {
      try Self.map(Self.base, at: 4097, length: 4096, fixed: true)
    }
    // MAP_FIXED at 0 is a place too.
    _ = try Self.map(Self.huge, at: 0, length: 2 << 20, fixed: true)
  }

  /// Catches an offset checked, or not checked, against the alignment (DD-03, `dax_get_unmapped_area`).
  ///
  /// The kernel chooses an address congruent to the offset if a whole block lies in the range; then the start is off.
  @Test func `refuses an unaligned offset only where the kernel would choose a congruent place`() {
    #expect(throws: Errno.invalidArgument) {
      try Self.map(Self.huge, length: 4 << 20, offset: 4096)
    }
    // Less than a whole block: any place, and an aligned one will do (oracle `devdax-2m-api`).
    #expect(throws: Never.self) { try Self.map(Self.huge, length: 2 << 20, offset: 4096) }
    #expect(throws: Never.self) {
      try Self.map(Self.huge, at: 1 << 40, length: 4 << 20, offset: 4096, fixed: true)
    }
    #expect(throws: Errno.invalidArgument) {
      try Self.map(Self.base, length: 4096, offset: 512)
    }
  }

  /// Catches a mapping refused because it goes past the end: that is SIGBUS later (DD-07).
  @Test func `does not look at the device's size`() {
    #expect(throws: Never.self) {
      try Self.map(Self.huge, length: 4 << 20, offset: Self.size - (2 << 20))
    }
    #expect(throws: Never.self) { try Self.map(Self.base, length: 4096, offset: 1 << 40) }
  }

  /// Catches a write mapping through a read-only descriptor (DD-15), or a read mapping through a write-only one.
  @Test func `asks the descriptor's mode`() {
    #expect(throws: Errno.permissionDenied) {
      try Self.map(Self.base, length: 4096, access: .readOnly)
    }
    #expect(throws: Never.self) {
      try Self.map(Self.base, length: 4096, protection: .read, access: .readOnly)
    }
    for shared in [true, false] {
      #expect(throws: Errno.permissionDenied) {
        try Self.map(
          Self.base, length: 4096, protection: .read, access: .writeOnly, shared: shared)
      }
    }
  }

  /// Catches an errno in the wrong order: the mode is looked at before the driver is asked.
  @Test func `finds fault in the kernel's order`() {
    #expect(throws: Errno.permissionDenied) {
      try Self.map(Self.huge, length: 4096, access: .readOnly)
    }
    #expect(throws: Errno.invalidArgument) {
      try Self.map(Self.huge, length: 0, access: .readOnly)
    }
    #expect(throws: Errno.invalidArgument) {
      try Self.map(Self.huge, length: 4096, protection: .read, access: .readOnly, shared: false)
    }
  }

  /// Catches arithmetic that wraps or traps at the end of 64 bits.
  @Test func `survives numbers at the end of 64 bits`() {
    #expect(throws: Errno.noMemory) { try Self.map(Self.base, length: .max) }
    #expect(throws: Errno.overflow) {
      try Self.map(Self.base, length: 8192, offset: .max - 4095)
    }
    #expect(throws: Errno.noMemory) {
      try Self.map(Self.base, at: .max - 4095, length: 8192, fixed: true)
    }
    #expect(throws: Errno.invalidArgument) { try Self.map(Self.base, at: .max, length: 4096) }
    for numbers in [.max, .max - 4095, 1 << 63] as [UInt64] {
      _ = try? Self.map(Self.huge, at: numbers, length: numbers, offset: numbers & ~4095)
      _ = try? DeviceDaxRules.place(
        address: numbers, length: numbers, offset: numbers, on: Self.huge)
    }
  }

  /// Catches a place that every later fault would refuse (`__check_vma` is repeated there).
  @Test func `has a place of whole blocks in the end`() {
    #expect(throws: Never.self) {
      try DeviceDaxRules.place(
        address: 4 << 20, length: 2 << 20, offset: 4096, on: Self.huge)
    }
    for (address, length, offset) in [
      (4096, 2 << 20, 0), (2 << 20, 4096, 0), (2 << 20, 0, 0), (2 << 20, 2 << 20, 512),
      (UInt64.max - (2 << 20) + 1, 2 << 20, 0), (2 << 20, 2 << 20, UInt64.max - 4095),
    ] as [(UInt64, UInt64, UInt64)] {
      #expect(throws: Errno.invalidArgument, "\(address) \(length) \(offset)") {
        try DeviceDaxRules.place(
          address: address, length: length, offset: offset, on: Self.huge)
      }
    }
  }

  /// Catches a rest of a block that counts as a folio.
  @Test func `shows whole blocks of the device only`() {
    #expect(DeviceGeometry(size: (4 << 20) - 1, alignment: .huge).folioCount == 1)
    #expect(DeviceGeometry(size: 4095, alignment: .base).folioCount == 0)
    #expect(Self.giant.folioCount == 1)
  }
}
