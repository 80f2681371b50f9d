/// What a `badblocks` attribute says.
///
/// Source: `badblocks_show`, block/badblocks.c: decimal first sector and count, no entry longer than 512 sectors, one page in all.
enum BadBlocksText {
  private static let longestEntry: UInt64 = 512
  private static let page = 4096

  /// Whole lines, as many as a page holds.
  static func lines(_ ranges: [Range<UInt64>]) -> String {
    var text = ""
    for range in ranges {
      var start = range.lowerBound
      while start < range.upperBound {
        let count = min(longestEntry, range.upperBound - start)
        let line = "\(start) \(count)\n"
        guard text.utf8.count + line.utf8.count < page else { return text }
        text += line
        start += count
      }
    }
    return text
  }
}
