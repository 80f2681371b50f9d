internal import PmemBase
internal import Scenario

/// What a few lines of the language showed on one kernel, and the machine after them.
struct Seen {
  enum Setup: String {
    case nothing
    /// A new XFS with reverse map and reflink on /mnt.
    case xfs = "- sh sh lib.sh xfs"
    case ext4 = "- sh sh lib.sh ext4"
    /// Files whose blocks begin at 2 MiB, so that they can be mapped by huge entries.
    case hugeXFS = """
      - mkfs xfs /dev/pmem2 su=2097152 agcount=2 log=83886080
      - mount /dev/pmem2 dax=always
      - create /mnt/f1
      - extsize /mnt/f1 2097152
      - fallocate /mnt/f1 plain 0 8388608
      - write /mnt/f1 0 8388608 0x33
      """
    case hugeExt4 = """
      - mkfs ext4 /dev/pmem3 su=2097152
      - mount /dev/pmem3 dax=always
      - create /mnt/f1
      - fallocate /mnt/f1 plain 0 8388608
      - write /mnt/f1 0 8388608 0x33
      """
    /// A bus that can inject and clear errors.
    case clearing = """
      - test-namespace 1 fsdax
      - mkfs ext4 /dev/pmem1
      - mount /dev/pmem1 dax=always
      """
  }

  var machine: Simulator
  private var steps: [(text: String, value: JSONValue)] = []
  private var told: [Character: [String]] = [:]

  init(_ kernel: KernelBehavior, _ setup: Setup = .nothing, _ lines: String) throws {
    machine = Simulator(kernel: kernel)
    if setup != .nothing { try add(setup.rawValue) }
    try add(lines)
  }

  /// Goes on.
  mutating func add(_ lines: String) throws {
    for line in lines.split(separator: "\n").map(String.init) {
      guard let step = try machine.perform(line: line) else { continue }
      steps.append((line, step))
      collect(line.first ?? "-", step)
    }
  }

  /// What the last step of this text showed.
  subscript(line: String) -> JSONValue { steps.last { $0.text == line }?.value ?? .object([]) }

  /// The errno that the last step of this text failed with; nil if it did not.
  func errno(_ line: String) -> String? { self[line]["err"]?.string }

  func isOK(_ line: String) -> Bool { self[line]["ok"] == .bool(true) }

  func isPresent(_ line: String) -> Bool? { self[line]["present"].map { $0 == .bool(true) } }

  /// Every signal that the actor's handler got, as `BUS_MCEERR_AR m0+0x3000 lsb=12`.
  func signals(_ actor: Character) -> [String] { told[actor] ?? [] }

  /// How the last `- sync` found the actor.
  func state(_ actor: Character) -> String? {
    self["- sync"]["actors"]?[String(actor)]?["state"]?.string
  }

  private mutating func collect(_ actor: Character, _ step: JSONValue) {
    told[actor, default: []] += Self.words(step["signals"])
    for member in step["actors"]?.members ?? [] {
      told[member.name.first ?? "-", default: []] += Self.words(member.value["signals"])
    }
  }

  private static func words(_ signals: JSONValue?) -> [String] {
    (signals?.array ?? []).map { signal in
      let lsb = signal["addr_lsb"]?.int.map { " lsb=\($0)" } ?? ""
      return "\(signal["code"]?.string ?? "") \(signal["addr"]?.string ?? "")\(lsb)"
    }
  }
}

extension Simulator {
  /// The frame that A's mapping m0 has at an offset.
  mutating func physicalOfA(_ offset: UInt64) -> UInt64? {
    Actor(letter: "A").flatMap { process(of: $0) }.flatMap { physical($0, "m0", offset) }
  }
}
