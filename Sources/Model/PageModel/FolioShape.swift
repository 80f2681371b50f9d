internal import PmemBase

/// A page's place in a folio: its head or a tail, and the folio's size. `compound_head` and the order, in three bits.
struct FolioShape: Equatable {
  let size: PageSize
  let isTail: Bool

  /// A folio of one page.
  static let single = FolioShape(size: .base, isTail: false)

  init(size: PageSize, isTail: Bool) {
    self.size = size
    self.isTail = isTail
  }

  /// Bits 0 and 1: the size; bit 2: tail.
  init(bits: UInt8) {
    size =
      switch bits & 3 {
      case 1: .huge
      case 2: .giant
      default: .base
      }
    isTail = bits & 4 != 0
  }

  var bits: UInt8 {
    let code: UInt8 =
      switch size {
      case .base: 0
      case .huge: 1
      case .giant: 2
      }
    return code | (isTail ? 4 : 0)
  }
}
