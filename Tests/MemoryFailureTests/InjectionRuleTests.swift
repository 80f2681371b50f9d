internal import MemoryFailure
internal import PmemBase
internal import TestSupport
internal import Testing

/// `softdax run --inject RULE`.
@Suite struct `an injection rule` {
  /// Catches words that are read as something else, or not at all.
  @Test func `says when, where and how`() throws {
    #expect(
      try InjectionRule(parsing: "offset=0x3000") == InjectionRule(place: .offset(0x3000)))
    #expect(
      try InjectionRule(parsing: "fault=100")
        == InjectionRule(moment: .fault(100), place: .faultingPage))
    #expect(
      try InjectionRule(parsing: "as=latent,page=fault,fault=1").kind == .latent)
    #expect(
      try InjectionRule(parsing: "time=250ms,page=random,seed=7,count=1,device=dax1.0,as=media")
        == InjectionRule(
          moment: .milliseconds(250), place: .random(seed: 7), kind: .media, device: "dax1.0",
          count: 1))
    #expect(try InjectionRule(parsing: "time=2s,offset=2m").moment == .milliseconds(2000))
  }

  /// Catches nonsense that breaks a page which nobody meant; and a message that does not say which word is wrong.
  @Test(arguments: [
    ("", "is not KEY=VALUE"), ("offset", "is not KEY=VALUE"), ("offset=", "is not KEY=VALUE"),
    ("offset=1,offset=2", "comes twice"), ("as=poison", "no place"), ("page=fault", "no place"),
    ("time=1s", "no place"), ("fault=0", "counted from 1"), ("fault=x", "not a size"),
    ("fault=1,time=1s", "two moments"), ("offset=1,page=random,seed=1", "two places"),
    ("page=random", "seed"), ("offset=1,seed=1", "seed"), ("page=any,fault=1", "neither"),
    ("time=1,offset=0", "no time"), ("time=99999999s,offset=0", "no time"),
    ("offset=1,as=fire", "none of poison"), ("offset=1,count=0", "count"),
    ("offset=1,colour=red", "colour= is none of"), ("offset=-1", "not a size"),
  ])
  func `that is none says which word is wrong`(text: String, reason: String) {
    do {
      _ = try InjectionRule(parsing: text)
      Issue.record("\(text) is a rule")
    } catch {
      #expect("\(error)".contains(reason), "\(error)")
      #expect("\(error)".hasPrefix("--inject \(text): "))
      #expect(!"\(error)".contains("\n"))
    }
  }

  /// Catches sectors beyond the device, and sums that wrap.
  @Test func `breaks sectors of the device, or none`() {
    func sectors(_ place: InjectionRule.Place, count: UInt64 = 8, size: UInt64 = 1 << 20)
      -> Range<UInt64>?
    { InjectionRule(place: place, count: count).sectors(size: size, faulting: 0x5123) }
    #expect(sectors(.offset(0x3200), count: 1) == 25..<26)
    #expect(sectors(.faultingPage) == 40..<48)
    #expect(sectors(.offset((1 << 20) - 4096)) == 2040..<2048)
    #expect(sectors(.offset((1 << 20) - 512)) == nil)
    #expect(sectors(.offset(.max)) == nil)
    #expect(sectors(.offset(0), count: .max) == nil)
    #expect(sectors(.random(seed: 1), size: 0) == nil)
    #expect(InjectionRule(place: .faultingPage).sectors(size: 1 << 20) == nil)
  }

  /// Catches a seed that is another page the next time, pages that are cut, and seeds that are all one page.
  @Test func `breaks one page for one seed, and all pages for all seeds`() throws {
    var seen: Set<UInt64> = []
    for seed in UInt64(0)..<2000 {
      let rule = InjectionRule(place: .random(seed: seed))
      let sectors = try #require(rule.sectors(size: 64 * 4096))
      #expect(sectors.lowerBound % 8 == 0 && sectors.count == 8 && sectors.upperBound <= 512)
      #expect(rule.sectors(size: 64 * 4096) == sectors)
      seen.insert(sectors.lowerBound)
    }
    #expect(seen.count == 64)
  }
}
