internal import FailureEngine
internal import FuseMount
internal import MemoryFailure
internal import NvdimmBus
internal import SystemPackage

/// The media behind the bus: what its commands break is what touches meet.
///
/// The bus counts in bytes, the media in sectors: a sector is bad while any byte of it is. A device whose medium cannot have errors
/// has lists only. The mounts' devices come after the others. Any thread; takes the handler's lock or a mount's, never the bus's.
final class FailingMedia: PoisonableMedia {
  private let failures: MemoryFailures
  private let devices: Int
  private let mounts: [FilesystemMount]
  /// The bytes as the bus named them.
  private let lists: ErrorLists

  init(_ failures: MemoryFailures, devices: Int, mounts: [FilesystemMount]) {
    self.failures = failures
    self.devices = devices
    self.mounts = mounts
    lists = ErrorLists(devices: devices + mounts.count)
  }

  private func mount(_ device: Int) -> FilesystemMount? {
    device < devices ? nil : mounts[device - devices]
  }

  private func canHaveErrors(_ device: Int) -> Bool {
    mount(device) != nil || failures.canHaveErrors(device: device)
  }

  private func injected(_ device: Int) -> BadBlocks {
    mount(device)?.injected ?? failures.injected(device: device)
  }

  func inject(device: Int, bytes: Range<UInt64>) throws(Errno) {
    if let mount = mount(device) {
      try mount.inject(
        .latent, sectors: Self.sectors(bytes), dataStays: false, process: nil)
    } else if failures.canHaveErrors(device: device) {
      try failures.mediaError(device: device, sectors: Self.sectors(bytes), isKnown: false)
    }
    lists.inject(device: device, bytes: bytes)
  }

  func withdraw(device: Int, bytes: Range<UInt64>) throws(Errno) {
    guard canHaveErrors(device) else {
      return lists.withdraw(device: device, bytes: bytes)
    }
    try release(device: device, bytes: bytes, zeroes: false)
  }

  func clear(device: Int, bytes: Range<UInt64>) throws(Errno) -> UInt64 {
    guard canHaveErrors(device) else {
      return lists.clear(device: device, bytes: bytes)
    }
    try release(device: device, bytes: bytes, zeroes: true)
    // A mount has forgotten what it made good.
    if mount(device) == nil { failures.forget(device: device, bytes: bytes) }
    return UInt64(bytes.count)
  }

  /// Gives back the sectors of which no byte is bad any more.
  private func release(device: Int, bytes: Range<UInt64>, zeroes: Bool) throws(Errno) {
    var good = BadBlocks()
    good.add(bytes: bytes)
    let named = lists.poisoned(device: device)
    lists.withdraw(device: device, bytes: bytes)
    for left in lists.poisoned(device: device) {
      good.clear(bytes: left.lowerBound & ~511..<(left.upperBound + 511) & ~511)
    }
    do throws(Errno) {
      for run in good.ranges {
        switch mount(device) {
        case nil: try failures.withdraw(device: device, sectors: run, zeroes: zeroes)
        case let mount? where zeroes: try mount.clearErrors(sectors: run)
        case let mount?: try mount.withdraw(sectors: run)
        }
      }
    } catch {
      for range in named { lists.inject(device: device, bytes: range) }
      throw error
    }
  }

  func poisoned(device: Int) -> [Range<UInt64>] {
    let named = lists.poisoned(device: device)
    guard canHaveErrors(device) else { return named }
    var all: [Range<UInt64>] = []
    func add(_ range: Range<UInt64>) {
      if let last = all.last, last.upperBound >= range.lowerBound {
        all[all.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        all.append(range)
      }
    }
    for run in injected(device).ranges {
      for sector in run {
        let whole = sector << 9..<(sector + 1) << 9
        let parts = named.filter { $0.overlaps(whole) }
        // What was not injected by the bus is bad as a whole.
        if parts.isEmpty { add(whole) } else { for part in parts { add(part.clamped(to: whole)) } }
      }
    }
    return all
  }

  func badSectors(device: Int) -> [Range<UInt64>] {
    if let mount = mount(device) { return mount.badBlocks.ranges }
    return failures.canHaveErrors(device: device)
      ? failures.badBlocks(device: device).ranges : lists.badSectors(device: device)
  }

  func scrub() {
    failures.scrub()
    for mount in mounts { mount.scrub() }
    lists.scrub()
  }

  /// Under a mount the device is removed, and does not come back to it.
  func disable(device: Int) {
    if let mount = mount(device) {
      try? mount.remove()
    } else {
      try? failures.disable(device: device)
    }
  }
  func enable(device: Int) {
    if mount(device) == nil { try? failures.enable(device: device) }
  }

  private static func sectors(_ bytes: Range<UInt64>) -> Range<UInt64> {
    bytes.lowerBound >> 9..<(bytes.upperBound + 511) >> 9
  }
}
