internal import PmemBase

/// When, where and how a run breaks a page by itself: what `softdax run --inject` is given.
///
/// A value without a clock: whoever runs it says which fault it is, or how much time has passed.
public struct InjectionRule: Equatable, Sendable {
  /// The moment.
  public enum Moment: Equatable, Sendable {
    /// Before the first fault.
    case start
    /// When the device's N-th fault is answered, counting from 1; before its page becomes visible.
    case fault(UInt64)
    /// This many milliseconds after the program was started.
    case milliseconds(UInt64)
  }

  /// The first byte of what breaks.
  public enum Place: Equatable, Sendable {
    /// Bytes from the device's start.
    case offset(UInt64)
    /// A page (of 4 KiB) that the seed decides.
    case random(seed: UInt64)
    /// The page of the fault that the rule waited for.
    case faultingPage
  }

  /// What happens to it.
  public enum Kind: String, CaseIterable, Sendable {
    /// The page fails as MADV_HWPOISON makes it fail: signals and unmap, no bad block, the data stays.
    case poison
    /// A machine check that nobody consumed: signals, unmap, a bad block, and the medium is bad.
    case machineCheck = "machine-check"
    /// The medium is bad and nobody knows yet.
    case latent
    /// The medium is bad and the kernel knows: what `ndctl inject-error` does.
    case media
  }

  public var moment: Moment
  public var place: Place
  public var kind: Kind
  /// "dax0.0"; `nil` for the first.
  public var device: String?
  /// Sectors of 512 bytes.
  public var count: UInt64

  public init(
    moment: Moment = .start, place: Place, kind: Kind = .machineCheck, device: String? = nil,
    count: UInt64 = 8
  ) {
    self.moment = moment
    self.place = place
    self.kind = kind
    self.device = device
    self.count = count
  }

  /// The sectors that break on a device of `size` bytes.
  ///
  /// - Parameter faulting: Byte offset on the device of the fault that the rule waited for, if it did.
  /// - Returns: `nil` if they are not all on the device.
  public func sectors(size: UInt64, faulting: UInt64? = nil) -> Range<UInt64>? {
    let byte: UInt64
    switch place {
    case .offset(let offset): byte = offset
    case .random(let seed):
      let pages = size / PageSize.base.bytes
      guard pages > 0 else { return nil }
      // SplitMix64's first number: one seed is one page, on every host.
      var word = seed &+ 0x9E37_79B9_7F4A_7C15
      word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
      word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
      byte = PageSize.base.bytes * ((word ^ (word >> 31)) % pages)
    case .faultingPage:
      guard let faulting else { return nil }
      byte = PageSize.base.roundDown(faulting)
    }
    let first = byte / BadBlocks.sectorSize
    let (end, overflow) = first.addingReportingOverflow(count)
    guard count > 0, !overflow, end <= size / BadBlocks.sectorSize else { return nil }
    return first..<end
  }
}
