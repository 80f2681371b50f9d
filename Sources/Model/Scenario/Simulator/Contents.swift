internal import PmemBase

/// The bytes of memory, sparse: what was never written is zero.
///
/// A page is a fill with a few patches over it, for scenarios fill whole pages and store single bytes.
struct Contents: Sendable {
  private struct Page: Sendable {
    var fill: UInt8 = 0
    /// Later ones cover earlier ones; offsets in the page.
    var patches: [(range: Range<Int>, value: UInt8)] = []

    func byte(at offset: Int) -> UInt8 {
      patches.last { $0.range.contains(offset) }?.value ?? fill
    }

    mutating func set(_ range: Range<Int>, to value: UInt8) {
      if range.count == 4096 {
        patches = []
        fill = value
        return
      }
      patches.removeAll {
        range.lowerBound <= $0.range.lowerBound && $0.range.upperBound <= range.upperBound
      }
      if patches.isEmpty && fill == value { return }
      patches.append((range, value))
    }
  }

  private var pages: [UInt64: Page] = [:]

  func byte(at address: UInt64) -> UInt8 {
    guard let page = pages[address >> PageSize.base.shift] else { return 0 }
    return page.byte(at: Int(address & 4095))
  }

  mutating func set(_ address: UInt64, to value: UInt8) {
    let offset = Int(address & 4095)
    pages[address >> PageSize.base.shift, default: Page()].set(offset..<(offset + 1), to: value)
  }

  /// Sets every byte of a range that does not leave the page it begins in.
  mutating func fill(_ address: UInt64, count: UInt64, with value: UInt8) {
    guard count > 0 else { return }
    let offset = Int(address & 4095)
    pages[address >> PageSize.base.shift, default: Page()].set(
      offset..<(offset + Int(min(count, 4096 - UInt64(offset)))), to: value)
  }

  /// Makes the page at `target` what the one at `source` is.
  mutating func copyPage(from source: UInt64, to target: UInt64) {
    pages[target >> PageSize.base.shift] = pages[source >> PageSize.base.shift]
  }

  /// The page is zero again.
  mutating func clearPage(_ address: UInt64) {
    pages[address >> PageSize.base.shift] = nil
  }
}
