/// What one scenario showed on one kernel: a line of a truth file.
public struct Row: Sendable {
  public let name: String
  /// As the caller calls it: `6.12`, or what `uname -r` says.
  public let kernel: String
  public let group: String
  /// One object for each step that shows, in order.
  public let steps: [JSONValue]
  /// The machine stopped (panic, oops): why. `steps` ends there.
  public let stopped: String?
  /// The scenario's lines, for a row of a machine that stopped.
  let given: [String]

  init(
    name: String, kernel: String, group: String, steps: [JSONValue], stopped: String?,
    given: [String]
  ) {
    self.name = name
    self.kernel = kernel
    self.group = group
    self.steps = steps
    self.stopped = stopped
    self.given = given
  }

  /// The row of a scenario that processes carried out.
  ///
  /// - Parameter worker: What the worker printed; nil if that is no row.
  public init?(_ scenario: Scenario, kernel: String, worker: JSONValue?) {
    guard let steps = worker?["steps"]?.array else { return nil }
    let stopped = worker?["stopped"]?.string
    self.init(
      name: scenario.name, kernel: kernel, group: scenario.group, steps: steps,
      stopped: stopped, given: stopped == nil ? [] : scenario.lines.map(\.text))
  }

  /// The row of a scenario that was not carried out.
  public static func skipped(
    _ scenario: Scenario, kernel: String, because reason: String
  ) -> JSONValue {
    .object([
      JSONValue.Member("name", .string(scenario.name)),
      JSONValue.Member("kernel", .string(kernel)),
      JSONValue.Member("group", .string(scenario.group)),
      JSONValue.Member("skipped", .string(reason)), JSONValue.Member("steps", .array([])),
    ])
  }

  /// The row as JSON: a summary of the signals and the ends first, as in the files of the real kernels.
  public var json: JSONValue {
    var members = [
      JSONValue.Member("name", .string(name)), JSONValue.Member("kernel", .string(kernel)),
      JSONValue.Member("group", .string(group)),
    ]
    if let stopped {
      members.append(JSONValue.Member("guest_died", .bool(true)))
      members.append(JSONValue.Member("steps_given", .array(given.map(JSONValue.string))))
      members.append(JSONValue.Member("console", .array([.string(stopped)])))
      members.append(JSONValue.Member("steps", .array(steps)))
      return .object(members)
    }
    let (signals, ends) = summary
    members.append(JSONValue.Member("signals", .object(signals)))
    if !ends.isEmpty { members.append(JSONValue.Member("ends", .object(ends))) }
    members.append(JSONValue.Member("steps", .array(steps)))
    return .object(members)
  }

  private var summary: (signals: [JSONValue.Member], ends: [JSONValue.Member]) {
    var signals: [String: [JSONValue]] = [:]
    var ends: [JSONValue.Member] = []
    func end(_ who: String, _ how: JSONValue) {
      if !ends.contains(where: { $0.name == who }) { ends.append(JSONValue.Member(who, how)) }
    }
    for step in steps {
      let who = String((step["step"]?.string ?? "").prefix(1))
      for signal in step["signals"]?.array ?? [] {
        signals[who, default: []].append(.string(Self.brief(signal)))
      }
      for actor in step["actors"]?.members ?? [] {
        for signal in actor.value["signals"]?.array ?? [] {
          signals[actor.name, default: []].append(.string(Self.brief(signal)))
        }
        if let state = actor.value["state"], state != .string("alive") {
          signals[actor.name, default: []] += []
          end(actor.name, state)
        }
      }
      if let died = step["died"] { end(who, died) }
    }
    return (
      signals.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .array($0.value)) }, ends
    )
  }

  private static func brief(_ signal: JSONValue) -> String {
    let lsb = signal["addr_lsb"]?.int.map { " lsb=\($0)" } ?? ""
    let parts = ["sig", "code", "addr", "in"].map { signal[$0]?.string ?? "" }
    return "\(parts[0])/\(parts[1]) \(parts[2])\(lsb) \(parts[3])"
  }
}
