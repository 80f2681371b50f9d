internal import MemoryFailure
internal import Synchronization
internal import SystemPackage

/// Media of which only the lists are kept: what was injected, what is known. Reading a bad byte raises nothing.
///
/// Any thread.
public final class ErrorLists: PoisonableMedia {
  private struct Device {
    var poisoned = ByteRanges()
    var known = BadBlocks()
    var isEnabled = true
  }
  private let devices: Mutex<[Device]>

  public init(devices count: Int) {
    devices = Mutex(Array(repeating: Device(), count: count))
  }

  public func inject(device: Int, bytes: Range<UInt64>) {
    devices.withLock { $0[device].poisoned.insert(bytes) }
  }

  public func withdraw(device: Int, bytes: Range<UInt64>) {
    devices.withLock { $0[device].poisoned.remove(bytes) }
  }

  public func clear(device: Int, bytes: Range<UInt64>) -> UInt64 {
    devices.withLock {
      $0[device].poisoned.remove(bytes)
      $0[device].known.clear(bytes: bytes)
    }
    return bytes.upperBound - bytes.lowerBound
  }

  public func poisoned(device: Int) -> [Range<UInt64>] {
    devices.withLock { $0[device].poisoned.ranges }
  }

  public func badSectors(device: Int) -> [Range<UInt64>] {
    devices.withLock { $0[device].known.ranges }
  }

  public func scrub() {
    devices.withLock { devices in
      for index in devices.indices {
        for range in devices[index].poisoned.ranges { devices[index].known.add(bytes: range) }
      }
    }
  }

  public func disable(device: Int) { devices.withLock { $0[device].isEnabled = false } }
  public func enable(device: Int) { devices.withLock { $0[device].isEnabled = true } }

  /// A driver has it.
  public func isEnabled(device: Int) -> Bool { devices.withLock { $0[device].isEnabled } }
}
