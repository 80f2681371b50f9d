/// The medium of a namespace, as the pmem driver deals with it: what is known to be bad, what is bad and nobody knows
/// yet, and a bus that can clear it or not.
///
/// Bytes are counted from wherever the owner of the value counts them; a page is 4 KiB.
///
/// Source: `__pmem_direct_access`, `pmem_do_write`, `pmem_recovery_write`, drivers/nvdimm/pmem.c;
/// `nvdimm_clear_poison`, drivers/nvdimm/bus.c (v6.1, v6.12, v7.3).
public struct PmemDevice: Equatable, Sendable {
  /// What the bus can do about a bad sector.
  public enum Clearing: Equatable, Sendable {
    /// It has no command for it: what is bad stays bad (QEMU's NVDIMM).
    case never
    /// Addresses and lengths that are multiples of so many bytes; others are refused.
    case unit(UInt64)
  }

  /// A recovery write whose data is on its way: until it is finished the record stays, and readers are refused.
  public struct RecoveryWrite: Equatable, Sendable {
    let bytes: Range<UInt64>
    /// Whether bad sectors are cleared by it.
    public let clears: Bool
  }

  public let clearing: Clearing
  /// What the kernel knows of.
  public var badBlocks = BadBlocks()
  /// What is unreadable and not known to be: the next load, or a copy, finds it.
  public var latent = BadBlocks()

  public init(clearing: Clearing) { self.clearing = clearing }

  /// Whether the bytes can be had directly, for a fault or for read(2) and write(2): no known bad sector among them.
  public func isReadable(_ bytes: Range<UInt64>) -> Bool { !badBlocks.contains(anyOf: bytes) }

  /// Bytes that a copy which survives machine checks gets, up to the first sector that is bad, known or not.
  ///
  /// Source: `_copy_mc_to_iter`, as `dax_copy_to_iter` uses it.
  public func copyable(_ bytes: Range<UInt64>) -> UInt64 {
    min(badBlocks.goodPrefix(of: bytes), latent.goodPrefix(of: bytes))
  }

  /// A write through the block layer, or zeroing: what it covers is cleared before.
  ///
  /// - Returns: false for EIO: some of it could not be cleared.
  public mutating func write(_ bytes: Range<UInt64>) -> Bool {
    if badBlocks.contains(anyOf: bytes) {
      guard canClear(bytes) else { return false }
      badBlocks.clear(bytes: bytes)
    }
    if canClear(bytes) { latent.clear(bytes: bytes) }
    return !badBlocks.contains(anyOf: bytes)
  }

  /// The first half of a write(2) to part of one page that has a known bad sector.
  ///
  /// Whether it is bad is asked of as many bytes from the start of the page as are written. One that is must be
  /// covered from its start in whole pages.
  ///
  /// - Returns: nil if nothing is written, which write(2) calls EFAULT.
  public mutating func beginRecovery(_ bytes: Range<UInt64>) -> RecoveryWrite? {
    let page = bytes.lowerBound & ~4095
    guard badBlocks.contains(anyOf: page..<page + UInt64(bytes.count)) else {
      return RecoveryWrite(bytes: bytes, clears: false)
    }
    guard bytes.lowerBound == page, bytes.count & 4095 == 0, canClear(bytes) else { return nil }
    latent.clear(bytes: bytes)
    return RecoveryWrite(bytes: bytes, clears: true)
  }

  /// The second half: the data is in place, and the record goes.
  public mutating func finish(_ write: RecoveryWrite) {
    if write.clears { badBlocks.clear(bytes: write.bytes) }
  }

  private func canClear(_ bytes: Range<UInt64>) -> Bool {
    guard case .unit(let unit) = clearing else { return false }
    return bytes.lowerBound % unit == 0 && UInt64(bytes.count) % unit == 0
  }
}
