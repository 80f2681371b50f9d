internal import PmemBase

/// Why a text is no injection rule; the description is one line, ready to show.
public struct InjectionRuleError: Error, Equatable, CustomStringConvertible {
  public let description: String
}

extension InjectionRule {
  /// Reads `fault=100,as=latent`, `offset=0x3000`, `time=250ms,page=random,seed=7,count=1,device=dax1.0`.
  ///
  /// Words are parted by commas, in any order, each at most once. `fault=N` or `time=NUMBER(ms|s)` says when (else at the
  /// start); `offset=SIZE`, `page=random` with `seed=N`, or `page=fault` says where (with `fault=` the latter is understood).
  public init(parsing text: String) throws(InjectionRuleError) {
    var words: [Substring: Substring] = [:]
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[1].isEmpty else {
        throw .of(text, "\"\(word)\" is not KEY=VALUE")
      }
      guard words.updateValue(parts[1], forKey: parts[0]) == nil else {
        throw .of(text, "\(parts[0])= comes twice")
      }
    }
    let moment = try Self.moment(&words, text)
    let place = try Self.place(&words, moment, text)
    self.init(moment: moment, place: place)
    if let word = words.removeValue(forKey: "as") {
      guard let kind = Kind(rawValue: String(word)) else {
        let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw .of(text, "as=\(word) is none of \(known)")
      }
      self.kind = kind
    }
    device = words.removeValue(forKey: "device").map(String.init)
    if let word = words.removeValue(forKey: "count") {
      count = try Self.number(word, "count", text)
      guard count > 0 else { throw .of(text, "count=0 breaks nothing; count sectors of 512 bytes") }
    }
    if let word = words.keys.min() {
      throw .of(text, "\(word)= is none of fault, time, offset, page, seed, as, device, count")
    }
  }

  private static func moment(_ words: inout [Substring: Substring], _ text: String)
    throws(InjectionRuleError) -> Moment
  {
    let fault = words.removeValue(forKey: "fault")
    let time = words.removeValue(forKey: "time")
    switch (fault, time) {
    case (nil, nil): return .start
    case (_?, _?): throw .of(text, "fault= and time= are two moments: leave one out")
    case (let fault?, nil):
      let number = try number(fault, "fault", text)
      guard number > 0 else { throw .of(text, "faults are counted from 1") }
      return .fault(number)
    case (nil, let time?):
      let isMilliseconds = time.hasSuffix("ms")
      let digits = time.dropLast(isMilliseconds ? 2 : time.hasSuffix("s") ? 1 : 0)
      guard time.hasSuffix("s"), let number = UInt64(digits),
        number <= UInt64(Int32.max) / (isMilliseconds ? 1 : 1000)
      else { throw .of(text, "time=\(time) is no time: write 250ms or 2s") }
      return .milliseconds(isMilliseconds ? number : number * 1000)
    }
  }

  private static func place(
    _ words: inout [Substring: Substring], _ moment: Moment, _ text: String
  ) throws(InjectionRuleError) -> Place {
    let offset = words.removeValue(forKey: "offset")
    let page = words.removeValue(forKey: "page")
    let seed = words.removeValue(forKey: "seed")
    var waitsForFault = false
    if case .fault = moment { waitsForFault = true }
    guard page == "random" || seed == nil else { throw .of(text, "seed= is for page=random") }
    switch (offset, page) {
    case (_?, _?): throw .of(text, "offset= and page= are two places: leave one out")
    case (let offset?, nil): return .offset(try number(offset, "offset", text))
    case (nil, "random"):
      guard let seed else {
        throw .of(text, "page=random wants a seed=N, so that it can be repeated")
      }
      return .random(seed: try number(seed, "seed", text))
    case (nil, "fault"), (nil, nil):
      guard waitsForFault else {
        throw .of(
          text,
          "no place: write offset=BYTES, page=random,seed=N, or fault=N for the page of a fault")
      }
      return .faultingPage
    case (nil, let page?): throw .of(text, "page=\(page) is neither random nor fault")
    }
  }

  private static func number(_ word: Substring, _ key: String, _ text: String)
    throws(InjectionRuleError) -> UInt64
  {
    do throws(SizeError) {
      return try ByteCount(parsing: String(word)).bytes
    } catch {
      throw .of(text, "\(key)=\(word): \(error.description)")
    }
  }
}

extension InjectionRuleError {
  fileprivate static func of(_ rule: String, _ reason: String) -> Self {
    Self(description: "--inject \(rule): \(reason)")
  }
}
