internal import PmemBase
internal import SystemPackage

/// The parts of one mremap(), rounded to pages.
struct Move {
  let address: UInt64
  let oldLength: UInt64
  let newLength: UInt64
  /// Where it must go: MREMAP_FIXED.
  let target: Range<UInt64>?
  let mayMove: Bool

  /// - Throws: EINVAL, as `do_mremap` and `mremap_to` do before they look at any VMA (mm/mremap.c, v6.12).
  init(
    address: UInt64, oldLength: UInt64, newLength: UInt64, target: UInt64?, mayMove: Bool,
    fixed: Bool
  ) throws(Errno) {
    guard
      PageSize.base.isAligned(address),
      address <= AddressSpace.end,
      let old = PageSize.base.roundUp(oldLength), old <= AddressSpace.end - address,
      let new = PageSize.base.roundUp(newLength), new > 0, new <= AddressSpace.end
    else { throw .invalidArgument }
    if fixed {
      guard
        mayMove, let target, PageSize.base.isAligned(target), target <= AddressSpace.end,
        new <= AddressSpace.end - target, address + old <= target || target + new <= address
      else { throw .invalidArgument }
      self.target = target..<(target + new)
    } else {
      self.target = nil
    }
    self.address = address
    self.oldLength = old
    self.newLength = new
    self.mayMove = mayMove
  }

  /// What a shrinking move unmaps at its end.
  var tail: Range<UInt64> { (address + kept)..<(address + oldLength) }

  /// Bytes of the old range that are there afterwards.
  var kept: UInt64 { min(oldLength, newLength) }

  var grows: Bool { newLength > oldLength }

  /// Whether a VMA is resized or moved; otherwise the end is unmapped, and that is all.
  var resizes: Bool { grows || target != nil }

  var targetUnknown: Bool { grows && target == nil && mayMove }

  /// What changes: the old range, or one page of it when it is only duplicated (old length 0), and the target.
  var ranges: [Range<UInt64>] {
    let source = address..<(address + max(oldLength, PageSize.base.bytes))
    return [source] + (target.map { [$0] } ?? [])
  }
}
