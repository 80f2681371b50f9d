internal import LinuxSys

/// The device numbers and names that the running kernel has given out.
public struct HostDevices: Sendable, Hashable {
  /// Majors of character devices by driver, from /proc/devices; several drivers may share one.
  public var majors: [String: UInt32]

  /// Character devices that exist, from /sys/dev/char.
  public var numbers: Set<Number>

  /// N of each real regionN and daxN.M.
  public var regions: Set<Int>

  /// N of each real ndbusN.
  public var buses: Set<Int>

  /// A character device's number.
  public struct Number: Sendable, Hashable {
    public let major: UInt32
    public let minor: UInt32
    public init(major: UInt32, minor: UInt32) {
      self.major = major
      self.minor = minor
    }
  }

  public init(
    majors: [String: UInt32] = [:], numbers: Set<Number> = [], regions: Set<Int> = [],
    buses: Set<Int> = []
  ) {
    self.majors = majors
    self.numbers = numbers
    self.regions = regions
    self.buses = buses
  }

  /// Looks at this host, or at a copy of its /proc and /sys below `root`; what is missing counts as empty.
  public static func survey(root: String = "") -> HostDevices {
    let devices = (try? SmallFile.read("\(root)/proc/devices")) ?? ""
    let nodes = Folder.entries("\(root)/sys/dev/char")
    let nd = Folder.entries("\(root)/sys/bus/nd/devices")
    let dax = Folder.entries("\(root)/sys/bus/dax/devices")
    return HostDevices(
      majors: characterMajors(devices), numbers: Set(nodes.compactMap(number)),
      regions: Set((nd + dax).compactMap { suffix($0, of: ["region", "dax"]) }),
      buses: Set(nd.compactMap { suffix($0, of: ["ndbus"]) }))
  }

  func minors(of major: UInt32) -> Set<UInt32> {
    Set(numbers.lazy.filter { $0.major == major }.map(\.minor))
  }

  /// The first half of /proc/devices: "Character devices:", then lines of "252 dax".
  static func characterMajors(_ text: String) -> [String: UInt32] {
    var majors: [String: UInt32] = [:]
    for line in text.split(separator: "\n") {
      if line.hasPrefix("Block") { break }
      let words = line.split(separator: " ")
      if words.count >= 2, let major = UInt32(words[0]) { majors[String(words[1])] = major }
    }
    return majors
  }

  /// "252:0"
  private static func number(_ name: String) -> Number? {
    let halves = name.split(separator: ":")
    guard halves.count == 2, let major = UInt32(halves[0]), let minor = UInt32(halves[1])
    else { return nil }
    return Number(major: major, minor: minor)
  }

  /// 3 of "region3" and of "dax3.1"
  private static func suffix(_ name: String, of kinds: [String]) -> Int? {
    for kind in kinds where name.hasPrefix(kind) {
      return Int(name.dropFirst(kind.count).prefix { $0 != "." })
    }
    return nil
  }
}
