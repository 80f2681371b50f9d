public import PmemBase
internal import SystemPackage

/// Runs a scenario in memory: the second driver of the model, beside the engine.
///
/// A value: it knows no clock, no thread and no file, so the same scenario gives the same row. Cost: 50 to 200 µs
/// for a scenario of thirty steps.
public struct Simulator {
  let scenario: Scenario
  let kernelName: String

  var machine: Machine
  /// Every process there ever was, in the order of creation.
  var processes: [SimulatedProcess] = []
  var threads: [SimulatedThread] = []
  var slots = Array(repeating: ActorSlot(), count: Actor.count)
  /// Whether it is madvise(MADV_HWPOISON) that reports a page.
  var adviceInProgress = false
  /// How deep `sh -c` is nested.
  var nesting = 0
  /// Threads with a signal that they have not taken.
  var waitingThreads: Set<Int> = []
  /// Processes, threads and windows that were looked at: what growth is measured by.
  var visits = 0
  /// Signals that memory failure handling has sent, those too that were dropped because one waited.
  package var sentSignals = 0
  /// Memory that is no device's has failed.
  var hostMemoryFailed = false
  /// Why the machine stopped.
  var stopped: String?

  /// What was decided, and by which rule; nil unless somebody wants to read it.
  let log: JournalLog?

  init(_ scenario: Scenario, kernel: KernelBehavior, named name: String, explained: Bool) {
    self.scenario = scenario
    kernelName = name
    machine = Machine(kernel: kernel)
    log = explained ? JournalLog() : nil
  }

  /// Runs the scenario on a new machine.
  ///
  /// - Parameter name: What the row calls the kernel.
  public static func run(
    _ scenario: Scenario, kernel: KernelBehavior, named name: String
  ) -> Row {
    var simulator = Simulator(scenario, kernel: kernel, named: name, explained: false)
    return simulator.run()
  }

  /// Runs the scenario and keeps what was decided at each step.
  public static func explain(
    _ scenario: Scenario, kernel: KernelBehavior, named name: String
  ) -> (row: Row, journal: Journal) {
    var simulator = Simulator(scenario, kernel: kernel, named: name, explained: true)
    let row = simulator.run()
    return (row, simulator.log?.journal ?? Journal())
  }

  var kernel: KernelBehavior { machine.kernel }

  private mutating func run() -> Row {
    var steps: [JSONValue] = []
    for line in scenario.lines {
      if let step = perform(line) { steps.append(step) }
      if let stopped {
        note("panic", stopped)
        break
      }
    }
    return Row(
      name: scenario.name, kernel: kernelName, group: scenario.group, steps: steps,
      stopped: stopped, given: stopped == nil ? [] : scenario.lines.map(\.text))
  }

  /// Carries out one line; nil for one that does not show in the row, or after which the machine has stopped.
  mutating func perform(_ line: Scenario.Line) -> JSONValue? {
    var text = line.text
    var step = line.step
    if step == nil {
      let variables = machine.variables
      text = Variables.expand(line.text) { variables[$0] ?? "" } ?? line.text
      step = try? Step(parsing: text)
    }
    log?.journal.begin(line: line.number, text: text)
    // Only what a variable holds can make it so.
    guard let step else { return .object([.step(text), .error("not in the language")]) }
    var fields: Fields?
    switch step {
    case .actor(let actor, let operation): fields = perform(operation, by: actor)
    case .coordinator(let operation): fields = perform(operation, own: line.own)
    }
    guard stopped == nil else { return nil }
    deliverSignals()
    return fields.map { .object([.step(text)] + $0) }
  }

  /// The machine stops here; nothing after it happens.
  mutating func panic(_ why: String) {
    if stopped == nil { stopped = why }
  }

  /// Keeps why something was decided so.
  func note(_ rule: String, _ text: @autoclosure () -> String) {
    guard let log else { return }
    log.journal.note(rule: rule, text())
  }
}

extension JSONValue.Member {
  static func step(_ text: String) -> Self { Self("step", .string(text)) }
  static func error(_ text: String) -> Self { Self("err", .string(text)) }
  static func error(_ errno: Errno) -> Self { .error(errno.name) }
  static var ok: Self { Self("ok", .bool(true)) }

  static func bool(_ name: String, _ value: Bool) -> Self { Self(name, .bool(value)) }
  static func int(_ name: String, _ value: Int) -> Self { Self(name, .int(value)) }
  static func string(_ name: String, _ value: String) -> Self { Self(name, .string(value)) }

  static func hex(_ name: String, _ value: UInt64) -> Self {
    Self(name, .string("0x" + String(value, radix: 16)))
  }
}
