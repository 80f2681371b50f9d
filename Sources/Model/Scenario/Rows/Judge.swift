/// Whether a row shows what the row of a real kernel shows.
///
/// The same judgement as Tests/ScenarioData/compare.py, which says what is compared and what is left out.
public enum Judge {
  private static let fields = [
    "ok", "err", "died", "dead", "faulted", "value", "bytes", "first", "present", "touched",
    "sigbus_pending", "create", "write", "fsync", "shutdown", "dax",
  ]
  private static let skipped: Set<String> = [
    "sh", "setup", "setvar", "note", "smaps", "save", "sleep", "fiemap", "unpoison",
  ]

  /// Whether a truth row can be judged by: the real machine did not stop in any run.
  public static func counts(_ truth: JSONValue) -> Bool {
    if let died = truth["guest_died"], died != .bool(false) { return false }
    return !(truth["unstable"]?.array ?? []).contains {
      $0.string?.contains("panicked") ?? false
    }
  }

  /// The first two numbers of a version: 6.12.107+deb13-amd64 and 6.12 are the same.
  public static func version(_ kernel: String) -> [Int] {
    kernel.split { !("0"..."9").contains($0) }.prefix(2).compactMap { Int($0) }
  }

  /// What is not as in `truth`; empty when the rows agree.
  public static func differences(truth: JSONValue, row: JSONValue) -> [String] {
    var result: [String] = []
    let unstable = Set(
      (truth["unstable"]?.array ?? []).compactMap {
        $0.string?.split(separator: ":").first.flatMap { Int($0) }
      })
    let steps = row["steps"]?.array ?? []
    var written: Set<[String]> = []
    for (index, step) in (truth["steps"]?.array ?? []).enumerated() {
      let text = step["step"]?.string ?? ""
      let words = text.split(separator: " ").map(String.init)
      let verb = words.count > 1 ? words[1] : ""
      if skipped.contains(verb) || unstable.contains(index) { continue }
      let other = index < steps.count ? steps[index] : .object([])
      let ran = other["step"]?.string ?? ""
      guard ran.split(separator: " ").prefix(2).map(String.init) == Array(words.prefix(2)) else {
        result.append("\(index) \(text): ran \(ran)")
        continue
      }
      let place = Array(words.dropFirst(2).prefix(2))
      if verb == "wr" { written.insert(place) }
      // A device keeps what earlier scenarios left in it: only bytes that this one wrote count.
      let blank =
        truth["group"]?.string == "devdax" && (verb == "rd" || verb == "pread")
        && !written.contains(place)
      let differing = differences(step, other, blank: blank)
      if !differing.isEmpty {
        result.append("\(index) \(text): " + differing.joined(separator: "; "))
      }
    }
    return result
  }

  private static func differences(
    _ truth: JSONValue, _ row: JSONValue, blank: Bool
  ) -> [String] {
    var result: [String] = []
    func compare(_ what: String, _ left: JSONValue?, _ right: JSONValue?) {
      if left != right { result.append("\(what): \(shown(left)) != \(shown(right))") }
    }
    for field in fields where !(blank && (field == "value" || field == "first")) {
      compare(field, truth[field], row[field])
    }
    if let bad = truth["badblocks"],
      sectors(bad.string ?? "") != sectors(row["badblocks"]?.string ?? "")
    {
      compare("badblocks", bad, row["badblocks"])
    }
    if !same(signals(truth["signals"]), signals(row["signals"])) {
      compare("signals", truth["signals"], row["signals"])
    }
    let left = truth["actors"]?.members ?? []
    let right = row["actors"]?.members ?? []
    for name in Set(left.map(\.name) + right.map(\.name)).sorted() {
      let one = truth["actors"]?[name]
      let other = row["actors"]?[name]
      compare(name, one?["state"], other?["state"])
      if !same(signals(one?["signals"]), signals(other?["signals"])) {
        compare("\(name) signals", one?["signals"], other?["signals"])
      }
    }
    return result
  }

  private static func shown(_ value: JSONValue?) -> String { value?.text ?? "nothing" }

  /// Where both have a signal, a second BUS_MCEERR_AO that only one has is no difference: it coalesced.
  private static func same(_ left: [[String]], _ right: [[String]]) -> Bool {
    if left == right { return true }
    let (short, long) = left.count <= right.count ? (left, right) : (right, left)
    guard !short.isEmpty else { return false }
    var rest = long
    for signal in short {
      guard let index = rest.firstIndex(of: signal) else { return false }
      rest.remove(at: index)
    }
    return rest.allSatisfy { $0[1] == "BUS_MCEERR_AO" }
  }

  private static func signals(_ value: JSONValue?) -> [[String]] {
    (value?.array ?? []).map { signal in
      let address = signal["addr"]?.string ?? ""
      return [
        signal["sig"]?.string ?? "", signal["code"]?.string ?? "",
        // No mapping of the scenario's.
        address.hasPrefix("0x7") ? "outside" : address,
        signal["addr_lsb"]?.int.map(String.init) ?? "", signal["in"]?.string ?? "",
      ]
    }
  }

  /// The lengths of bad blocks, the last number of each line.
  private static func sectors(_ text: String) -> [Int] {
    text.split { $0 == "\n" || $0 == ";" || $0 == "," }.compactMap {
      $0.split(separator: " ").last.flatMap { Int($0) }
    }
  }
}
