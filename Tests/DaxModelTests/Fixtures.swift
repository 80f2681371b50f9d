import DaxModel
import PmemBase
import SystemPackage
import Testing

/// Sizes as the tests write them.
let page: UInt64 = 4096
let huge: UInt64 = 2 << 20

/// Where the tests' windows lie: a multiple of 1 GiB.
let start: UInt64 = 1 << 40

let base16 = DeviceGeometry(size: 16 * page, alignment: .base)
let huge8 = DeviceGeometry(size: 8 * huge, alignment: .huge)

extension AddressSpace {
  /// A space with one window at ``start`` that shows device 0.
  init(
    _ geometry: DeviceGeometry, length: UInt64, offset: UInt64 = 0,
    protection: Protection = [.read, .write], access: AccessMode = .readWrite
  ) throws {
    self.init()
    try add(
      start, length, of: geometry, offset: offset, protection: protection, access: access)
  }

  mutating func add(
    _ address: UInt64, _ length: UInt64, of geometry: DeviceGeometry, device: Int = 0,
    offset: UInt64 = 0, protection: Protection = [.read, .write],
    access: AccessMode = .readWrite
  ) throws(Errno) {
    try add(
      range: address..<address + length, device: device, geometry: geometry, offset: offset,
      protection: protection, access: access)
  }

  /// Touches every folio of the window at ``start``.
  mutating func touchAll(_ length: UInt64) {
    var at = start
    while let run = populate(from: at, upTo: start + length, limit: 1 << 20).decision {
      guard case .install(_, _, let address, let length) = run else { return }
      at = address + length
    }
  }

  /// Both phases of a call that succeeds.
  mutating func make(
    _ change: Change, _ address: UInt64, _ length: UInt64, at newAddress: UInt64 = 0
  ) throws(Errno) -> [ReleasedRun] {
    let plan = try begin(change, address: address, length: length, id: 4711)
    guard plan.effect == .perform else { return [] }
    return complete(id: 4711, succeeded: true, newAddress: newAddress)
  }

  var ranges: [Range<UInt64>] { windows.map(\.range) }
}

func run(_ folios: Range<Int>, of device: Int = 0) -> ReleasedRun {
  ReleasedRun(device: device, folios: folios)
}

/// A move as mremap() is called: flags 0, MREMAP_MAYMOVE, or both with MREMAP_FIXED and a target.
func move(_ newLength: UInt64, mayMove: Bool = true, to target: UInt64? = nil) -> Change {
  .move(newLength: newLength, target: target, mayMove: mayMove, fixed: target != nil)
}
