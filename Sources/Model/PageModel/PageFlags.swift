/// Flags of a page that /proc/kpageflags shows, by its bits.
///
/// Source: include/uapi/linux/kernel-page-flags.h; fs/proc/page.c.
public struct PageFlags: OptionSet, Sendable {
  public let rawValue: UInt64

  public init(rawValue: UInt64) { self.rawValue = rawValue }

  /// KPF_COMPOUND_HEAD
  public static let compoundHead = PageFlags(rawValue: 1 << 15)
  /// KPF_COMPOUND_TAIL
  public static let compoundTail = PageFlags(rawValue: 1 << 16)
  /// KPF_RESERVED: every page of a device has it.
  public static let reserved = PageFlags(rawValue: 1 << 32)
}
