internal import MemoryFailure
internal import Testing

@Suite struct `bad blocks` {
  /// Catches lists that grow with every report of the same page, which the kernel's do not.
  @Test func `neighbours and repeats become one range`() {
    var bad = BadBlocks()
    bad.add(bytes: 8192..<12288)
    bad.add(bytes: 0..<4096)
    bad.add(bytes: 4096..<8192)
    bad.add(bytes: 0..<4096)
    #expect(bad.ranges == [0..<24])
  }

  /// Catches a clear of part of a sector that makes the whole one good.
  @Test func `only whole sectors are cleared`() {
    var bad = BadBlocks()
    bad.add(bytes: 0..<4096)
    bad.clear(bytes: 100..<1500)
    #expect(bad.ranges == [0..<1, 2..<8])
    #expect(bad.contains(anyOf: 0..<1))
    #expect(!bad.contains(anyOf: 512..<1024))
    #expect(bad.goodPrefix(of: 512..<4096) == 512)
  }
}
