public import DaxModel
public import Latency
internal import LinuxSys
public import Medium
public import PageModel
public import PmemBase
internal import Synchronization
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

  /// Event read to page installed, in ns; then its two parts.
  public let insertLatency = LatencyHistogram()
  public let lookupLatency = LatencyHistogram()
  public let installLatency = LatencyHistogram()

  private let descriptors: LazyDescriptors
  /// Bytes of page descriptors that have memory behind them.
  public var descriptorBytes: UInt64 { descriptors.resident }

  private let inserted = Atomic<UInt64>(0)
  private let faulted = Atomic<UInt64>(0)

  /// Page-table entries made since the server began, in folios.
  public var insertedEver: UInt64 { inserted.load(ordering: .relaxed) }
  /// userfaultfd events answered since the server began.
  public var faultsEver: UInt64 { faulted.load(ordering: .relaxed) }

  /// Descriptors are 16 bytes for each folio, committed when first written.
  ///
  /// - Throws: `.noMemory` when the address space has no room for them.
  public init(name: String, medium: any Medium, alignment: PageSize) throws(Errno) {
    self.name = name
    self.medium = medium
    geometry = DeviceGeometry(size: medium.size, alignment: alignment)
    descriptors = try LazyDescriptors(folios: Int(medium.size / alignment.bytes))
    pagemap = Pagemap(
      type: .generic, pageCount: medium.size / PageSize.base.bytes, folioSize: alignment,
      storage: descriptors)
  }

  /// Notes a fault; before its page is visible, so that who sees the page sees the count.
  @inline(__always)
  func noteFault() { faulted.add(1, ordering: .relaxed) }

  /// The fault noted will be looked at again, and noted then.
  func forgetFault() { faulted.subtract(1, ordering: .relaxed) }

  @inline(__always)
  func noteInserted(_ folios: Int) { inserted.add(UInt64(folios), ordering: .relaxed) }

  /// Byte offset in the medium of folio `folio`.
  @inline(__always)
  func offset(ofFolio folio: Int) -> UInt64 { UInt64(folio) * geometry.alignment.bytes }
}
