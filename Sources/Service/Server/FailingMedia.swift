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
    guard failures.canHaveErrors(device: device) else {
      return lists.withdraw(device: device, bytes: bytes)
    }
    try release(device: device, bytes: bytes, zeroes: false)
  }

  func clear(device: Int, bytes: Range<UInt64>) throws(Errno) -> UInt64 {
    guard failures.canHaveErrors(device: device) else {
      return lists.clear(device: device, bytes: bytes)
    }
    try release(device: device, bytes: bytes, zeroes: true)
    failures.forget(device: device, bytes: bytes)
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
        try failures.withdraw(device: device, sectors: run, zeroes: zeroes)
      }
    } catch {
      for range in named { lists.inject(device: device, bytes: range) }
      throw error
    }
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
