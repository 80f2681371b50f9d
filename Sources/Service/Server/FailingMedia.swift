internal import FailureEngine
internal import MemoryFailure
internal import NvdimmBus
internal import SystemPackage

/// The media behind the bus: what its commands break is what touches meet.
///
/// The bus counts in bytes, the media in sectors: a sector is bad while any byte of it is. A device whose medium cannot have errors
/// has lists only. Any thread; takes the handler's lock, never the bus's.
final class FailingMedia: PoisonableMedia {
  private let failures: MemoryFailures
  /// The bytes as the bus named them.
  private let lists: ErrorLists

  init(_ failures: MemoryFailures, devices: Int) {
    self.failures = failures
    lists = ErrorLists(devices: devices)
  }

  func inject(device: Int, bytes: Range<UInt64>) throws(Errno) {
    if failures.canHaveErrors(device: device) {
      try failures.mediaError(device: device, sectors: Self.sectors(bytes), isKnown: false)
    }
    lists.inject(device: device, bytes: bytes)
  }

  func withdraw(device: Int, bytes: Range<UInt64>) throws(Errno) {
    lists.withdraw(device: device, bytes: bytes)
    guard failures.canHaveErrors(device: device) else { return }
    let left = lists.poisoned(device: device)
    for sector in Self.sectors(bytes)
    where !left.contains(where: { $0.overlaps(sector << 9..<(sector + 1) << 9) }) {
      try failures.withdraw(device: device, sectors: sector..<sector + 1)
    }
  }

  func clear(device: Int, bytes: Range<UInt64>) throws(Errno) -> UInt64 {
    guard failures.canHaveErrors(device: device) else {
      return lists.clear(device: device, bytes: bytes)
    }
    lists.withdraw(device: device, bytes: bytes)
    let left = lists.poisoned(device: device)
    for sector in Self.sectors(bytes)
    where !left.contains(where: { $0.overlaps(sector << 9..<(sector + 1) << 9) }) {
      try failures.withdraw(device: device, sectors: sector..<sector + 1, zeroes: true)
    }
    failures.forget(device: device, bytes: bytes)
    return UInt64(bytes.count)
  }

  func poisoned(device: Int) -> [Range<UInt64>] {
    let named = lists.poisoned(device: device)
    guard failures.canHaveErrors(device: device) else { return named }
    var all: [Range<UInt64>] = []
    func add(_ range: Range<UInt64>) {
      if let last = all.last, last.upperBound >= range.lowerBound {
        all[all.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
      } else {
        all.append(range)
      }
    }
    for run in failures.injected(device: device).ranges {
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
    failures.canHaveErrors(device: device)
      ? failures.badBlocks(device: device).ranges : lists.badSectors(device: device)
  }

  func scrub() {
    failures.scrub()
    lists.scrub()
  }

  func disable(device: Int) { try? failures.disable(device: device) }
  func enable(device: Int) { try? failures.enable(device: device) }

  private static func sectors(_ bytes: Range<UInt64>) -> Range<UInt64> {
    bytes.lowerBound >> 9..<(bytes.upperBound + 511) >> 9
  }
}
