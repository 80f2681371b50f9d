extension Words {
  mutating func target() throws(Failure) -> Target {
    Target(parsing: try next("a target (A:m0+0x3000, file:PATH+0, dax:NAME+0, var:NAME, …)"))
  }
}

extension Target {
  init(parsing text: String) {
    var place = Substring(text)
    var offset: UInt64 = 0
    if let plus = text.lastIndex(of: "+") {
      place = text[..<plus]
      offset = Self.offset(text[text.index(after: plus)...])
    }
    guard let colon = place.firstIndex(of: ":") else {
      self = .unknown(text)
      return
    }
    let name = String(place[place.index(after: colon)...])
    let kind = place[..<colon]
    if kind.count == 1, let letter = kind.first, let actor = Actor(letter: letter) {
      self = .mapping(actor, name: name, offset: offset)
      return
    }
    switch kind {
    case "file": self = .file(path: name, offset: offset)
    case "bdev": self = .block(name: name, offset: offset)
    case "dax": self = .device(name: name, offset: offset)
    case "var": self = .variable(name: name, offset: offset)
    case "phys": self = .physical(Self.offset(name) &+ offset)
    default: self = .unknown(text)
    }
  }

  private static func offset(_ text: some StringProtocol) -> UInt64 {
    UInt64(bitPattern: Words.number(text) ?? 0)
  }
}
