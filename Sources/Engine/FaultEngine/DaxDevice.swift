public import DaxModel
public import Latency
public import LinuxSys
public import Medium
public import PageModel
public import PmemBase
public import Synchronization
public import SystemPackage

/// A device of the machine: its medium, its pages' descriptors, and what was measured on it.
///
/// Shared by every workload; any thread. Counts and histograms are atomic, the rest never changes.
public final class DaxDevice: Sendable {
  /// "dax0.0".
  public let name: String
  public let geometry: DeviceGeometry
  public let medium: any Medium
  public let pagemap: Pagemap
  /// Pages whose touch is an error.
  public let poison: PoisonedPages
  /// Held while pages are out of the medium, and by whoever fills its holes.
  public let holes = Mutex(())

  public let latencies = FaultLatencies()

  private let descriptors: LazyDescriptors
  /// Bytes of page descriptors that have memory behind them.
  public var descriptorBytes: UInt64 { descriptors.resident }

  private let inserted = Atomic<UInt64>(0)
  private let faulted = Atomic<UInt64>(0)
  private let alarm = Atomic<UInt64>(.max)

  /// Page-table entries made since the server began, in folios.
  public var insertedEver: UInt64 { inserted.load(ordering: .relaxed) }
  /// userfaultfd events answered since the server began.
  public var faultsEver: UInt64 { faulted.load(ordering: .relaxed) }

  /// Folios that have been in a page table: one bit each, never cleared.
  private let owned: AtomicBits
  private let enabled = Atomic(true)

  /// Descriptors are 16 bytes for each folio, committed when first written.
  ///
  /// - Parameters:
  ///   - regime: How the folios are counted.
  ///   - poison: A bit for each 4 KiB page, where others look at them too.
  /// - Throws: `.noMemory` when the address space has no room for them.
  public init(
    name: String, medium: any Medium, alignment: PageSize, regime: RefcountRegime = .landed,
    poison: AtomicBits? = nil
  ) throws(Errno) {
    self.name = name
    self.medium = medium
    geometry = DeviceGeometry(size: medium.size, alignment: alignment)
    descriptors = try LazyDescriptors(folios: Int(medium.size / alignment.bytes))
    pagemap = Pagemap(
      type: .generic, pageCount: medium.size / PageSize.base.bytes, folioSize: alignment,
      regime: regime, storage: descriptors)
    let folios = Int(geometry.folioCount)
    owned = AtomicBits(
      count: folios, in: try SharedMemory(count: AtomicBits.bytes(for: folios)))
    let pages = Int(medium.size / PageSize.base.bytes)
    let own = poison == nil ? try SharedMemory(count: AtomicBits.bytes(for: pages)) : nil
    self.poison = PoisonedPages(poison ?? AtomicBits(count: pages, in: own!))
  }

  /// Whether some process has had the folio in a page table since the device is there: it has a `mapping`, which it keeps.
  ///
  /// Source: `dax_set_mapping`, drivers/dax/device.c (v6.1, v7.3).
  public func isOwned(folio: Int) -> Bool { owned.contains(folio) }

  /// Whether it can be mapped.
  public var isEnabled: Bool { enabled.load(ordering: .acquiring) }

  /// Whoever disables it revokes the windows afterwards.
  public func setEnabled(_ on: Bool) { enabled.store(on, ordering: .sequentiallyConsistent) }

  @inline(__always)
  func noteOwned(_ folios: Range<Int>) { owned.insert(folios) }

  /// Notes a fault; before its page is visible, so that who sees the page sees the count.
  @inline(__always)
  func noteFault() { faulted.add(1, ordering: .relaxed) }

  /// Notes a fault, unless its number is the alarm's: nothing may be noted then.
  func claimFault() -> Bool {
    var now = faulted.load(ordering: .relaxed)
    while now + 1 < alarm.load(ordering: .acquiring) {
      let (done, seen) = faulted.weakCompareExchange(
        expected: now, desired: now + 1, ordering: .relaxed)
      if done { return true }
      now = seen
    }
    return false
  }

  /// The number of the fault, counted from 1, before which a ``PoisonHandler`` is asked; nil: none. It holds for fault threads that
  /// look carefully: see ``PoisonedPages/beginCare()``.
  public func setAlarm(_ number: UInt64?) {
    alarm.store(number ?? .max, ordering: .sequentiallyConsistent)
  }

  /// The fault noted will be looked at again, and noted then.
  func forgetFault() { faulted.subtract(1, ordering: .relaxed) }

  @inline(__always)
  func noteInserted(_ folios: Int) { inserted.add(UInt64(folios), ordering: .relaxed) }

  /// Byte offset in the medium of folio `folio`.
  @inline(__always)
  public func offset(ofFolio folio: Int) -> UInt64 { UInt64(folio) * geometry.alignment.bytes }
}
