internal import Scenario
internal import Testing

@Suite struct `a page of many owners` {
  /// Catches mappings that are left out, or told twice, when many files share the block.
  @Test func `tells each mapping of those who want to know, once`() throws {
    var growth = try #require(FailureGrowth(processes: 20, mappings: 12, owners: 5))
    #expect(growth.mappings == 240)
    let first = growth.fail()
    // Ten of the processes want it early; each has the page in twelve mappings.
    #expect(first == 120)
    let second = growth.fail()
    // Everybody has lost the page.
    #expect(second == 0)
  }
}
