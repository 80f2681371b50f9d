/// MADV_*: the values of x86-64, and what device-dax makes of them.
enum Advice {
  static let normal: Int32 = 0
  static let random: Int32 = 1
  static let sequential: Int32 = 2
  static let willNeed: Int32 = 3
  static let dontNeed: Int32 = 4
  static let free: Int32 = 8
  static let remove: Int32 = 9
  static let dontFork: Int32 = 10
  static let doFork: Int32 = 11
  static let mergeable: Int32 = 12
  static let unmergeable: Int32 = 13
  static let hugePage: Int32 = 14
  static let noHugePage: Int32 = 15
  static let dontDump: Int32 = 16
  static let doDump: Int32 = 17
  static let keepOnFork: Int32 = 19
  static let cold: Int32 = 20
  static let pageOut: Int32 = 21
  static let populateRead: Int32 = 22
  static let populateWrite: Int32 = 23
  static let dontNeedLocked: Int32 = 24
  static let hardwarePoison: Int32 = 100
  static let softOffline: Int32 = 101

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
