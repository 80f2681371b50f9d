internal import PmemBase
internal import Testing

@Suite struct `a search in order` {
  /// Catches an index that is off by one at the ends, between equal elements, or in a slice that does not begin at zero.
  @Test(arguments: 0..<6) func `finds what a look at each element finds`(count: Int) {
    let numbers = (0..<count).map { $0 / 2 * 2 }
    for slice in [numbers[...], numbers.dropFirst(), numbers.dropLast()] {
      for limit in -1...count + 1 {
        let found = slice.partitioningIndex { $0 >= limit }
        #expect(found == slice.firstIndex { $0 >= limit } ?? slice.endIndex)
      }
    }
  }
}
