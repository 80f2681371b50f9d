/// MADV_*: the values of x86-64, and what device-dax makes of them.
public enum Advice: Sendable {
  public static let normal: Int32 = 0
  public static let random: Int32 = 1
  public static let sequential: Int32 = 2
  public static let willNeed: Int32 = 3
  public static let dontNeed: Int32 = 4
  public static let free: Int32 = 8
  public static let remove: Int32 = 9
  public static let dontFork: Int32 = 10
  public static let doFork: Int32 = 11
  public static let mergeable: Int32 = 12
  public static let unmergeable: Int32 = 13
  public static let hugePage: Int32 = 14
  public static let noHugePage: Int32 = 15
  public static let dontDump: Int32 = 16
  public static let doDump: Int32 = 17
  public static let wipeOnFork: Int32 = 18
  public static let keepOnFork: Int32 = 19
  public static let cold: Int32 = 20
  public static let pageOut: Int32 = 21
  public static let populateRead: Int32 = 22
  public static let populateWrite: Int32 = 23
  public static let dontNeedLocked: Int32 = 24
  public static let hardwarePoison: Int32 = 100
  public static let softOffline: Int32 = 101

  /// What a mapping remembers of the advice it was given (VMA flags). A difference keeps neighbours from merging.
  struct Memory: OptionSet, Hashable, Sendable {
    let rawValue: UInt8

    static let random = Memory(rawValue: 1)
    static let sequential = Memory(rawValue: 2)
    static let noHugePage = Memory(rawValue: 4)
    static let dontFork = Memory(rawValue: 8)
    static let dontDump = Memory(rawValue: 16)

    /// The flags after `advice`; the same where it sets none.
    ///
    /// Source: `madvise_vma_behavior`, mm/madvise.c; `hugepage_madvise`, mm/khugepaged.c.
    func after(_ advice: Int32) -> Memory {
      switch advice {
      case Advice.normal: subtracting([.random, .sequential])
      case Advice.random: subtracting(.sequential).union(.random)
      case Advice.sequential: subtracting(.random).union(.sequential)
      case Advice.dontFork: union(.dontFork)
      case Advice.doFork: subtracting(.dontFork)
      case Advice.hugePage: subtracting(.noHugePage)
      case Advice.noHugePage: union(.noHugePage)
      case Advice.dontDump: union(.dontDump)
      case Advice.doDump: subtracting(.dontDump)
      default: self
      }
    }
  }
}
