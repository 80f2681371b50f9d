/// A system call that changes mapped ranges, as the caller made it.
public enum Change: Equatable, Sendable {
  /// munmap(), or something else mapped over the range.
  case unmap
  /// madvise(MADV_DONTNEED) and its kin: the page-table entries go, the mapping stays.
  case zap
  /// mprotect()
  case protect(Protection)
  /// mremap(); `length` of the change is the old one. A target counts with `fixed` only.
  case move(newLength: UInt64, target: UInt64?, mayMove: Bool, fixed: Bool)
  /// msync() with MS_*.
  case sync(flags: UInt32)
  /// madvise() with MADV_*.
  case advise(Int32)
}
