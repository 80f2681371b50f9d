internal import MemoryFailure
internal import PmemBase
internal import SystemPackage

/// What the coordinator does.
extension Simulator {
  /// Carries out a step; nil for one that does not show in the row.
  mutating func perform(_ operation: CoordinatorOperation, own: [MachineOperation]) -> Fields? {
    switch operation {
    case .processes(let actors):
      for actor in actors { startProcess(for: actor) }
      return nil
    case .sleep: return nil
    case .note: return []
    case .setVariable(let name, let command):
      let result = own.isEmpty ? shell(command) : perform(own)
      machine.variables[name] = result.text
      return nil
    case .setup(let command):
      let result = own.isEmpty ? shell(command) : perform(own)
      guard result.status != 0 else { return nil }
      return [.int("rc", result.status), .string("output", result.text)]
    case .shell(let command):
      let result = own.isEmpty ? shell(command) : perform(own)
      return [.int("rc", result.status), .string("output", result.text)]
    case .machine(let operation):
      let result = perform([operation])
      return [.int("rc", result.status), .string("output", result.text)]
    case .synchronize: return synchronize()
    case .badBlocks: return [.string("badblocks", badBlocks())]
    case .save(let name, let target):
      return at(target, prefix: "") { simulator, physical in
        simulator.machine.variables[name] = "0x" + String(physical, radix: 16)
        return []
      }
    case .inject(let target):
      return at(target) { simulator, physical in
        simulator.outcome(simulator.fail(physical, origin: .injectionByBystander))
      }
    case .softOffline(let target):
      return at(target) { simulator, physical in
        simulator.outcome(simulator.softOffline(physical))
      }
    case .unpoison(let target):
      return at(target) { simulator, physical in
        guard simulator.machine.region(at: physical) != nil else {
          return [.error(.noSuchAddressOrDevice)]
        }
        simulator.note("unpoison_memory", "a page of a device is no online page: EIO")
        return [.error(.ioError)]
      }
    case .page(let target):
      return at(target) { _, _ in
        // /proc/kpageflags and kpagecount end before device memory.
        [.string("kpageflags", "0xffffffffffffffff"), .int("hwpoison", -1), .int("kpagecount", -1)]
      }
    case .machineCheck(let target):
      return at(target) { simulator, physical in
        simulator.machineCheck(physical, origin: .machineCheck)
        return [.ok]
      }
    case .machineCheckConsumed(let target): return machineCheckConsumed(target)
    case .makeLatent(let target, let length):
      return at(target) { simulator, physical in
        guard let region = simulator.machine.region(at: physical) else {
          return [.error(.noSuchAddressOrDevice)]
        }
        let start = physical - simulator.machine.regions[region].base
        simulator.machine.regions[region].media.driver.latent.add(
          bytes: start..<start + UInt64(length))
        return [.ok]
      }
    case .extents, .daxState, .clone, .makeFile, .probe:
      return performOnFiles(operation)
    }
  }

  /// A machine check in the middle of a load: only an actor that has the page can be loading it.
  private mutating func machineCheckConsumed(_ target: Target) -> Fields {
    at(target) { simulator, physical in
      guard case .mapping(let actor, _, _) = target,
        let thread = simulator.slots[actor.index].thread
      else {
        simulator.panic("Machine check: Data load in unrecoverable area of kernel")
        return []
      }
      let process = simulator.threads[thread].process
      simulator.machineCheck(physical, origin: .consumed(process: process, thread: thread))
      return [.ok]
    }
  }

  private mutating func synchronize() -> Fields {
    deliverSignals()
    reap()
    var actors: [JSONValue.Member] = []
    for actor in slots.indices where slots[actor].thread != nil {
      let state = answers(actor) ? "alive" : ending(of: actor)
      actors.append(
        JSONValue.Member(
          String(Actor(index: actor).letter),
          .object([.string("state", state)] + takeSignals(of: actor))))
    }
    return [JSONValue.Member("actors", .object(actors))]
  }

  // MARK: Targets

  /// Does something with a target's physical address.
  private mutating func at(
    _ target: Target, prefix: String = "target: ",
    _ body: (inout Simulator, UInt64) -> Fields
  ) -> Fields {
    switch physical(target) {
    case .success(let physical):
      let fields = body(&self, physical)
      return [.hex("phys", physical)] + fields
    case .failure(let errno): return [.error(prefix + errno.name)]
    }
  }

  private mutating func physical(_ target: Target) -> Result<UInt64, Errno> {
    switch target {
    case .mapping(let actor, let name, let offset):
      guard answers(actor.index), let thread = slots[actor.index].thread else {
        if seemsAlive(actor.index) { reap() }
        return .failure(.noSuchProcess)
      }
      let process = threads[thread].process
      guard let range = processes[process].maps[name],
        let frame = frame(at: range.lowerBound &+ offset, of: process)
      else { return .failure(.noSuchAddressOrDevice) }
      return .success(PageSize.base.roundDown(frame))
    case .file(let path, let offset): return physical(path: path, offset: offset)
    case .block(let name, let offset):
      // A partition begins 1 MiB after its device.
      let whole = name.hasSuffix("p1") ? String(name.dropLast(2)) : name
      let start =
        machine.namespace(ofBlockDevice: whole).map {
          machine.dataStart($0) + (whole == name ? 0 : 1 << 20)
        } ?? 0
      return .success(start &+ offset)
    case .device(let name, let offset):
      let start = machine.namespace(ofDevice: name).map { machine.dataStart($0) } ?? 0
      return .success(start &+ offset)
    case .variable(let name, let offset):
      let value = Words.number(machine.variables[name] ?? "") ?? 0
      return .success(UInt64(bitPattern: value) &+ offset)
    case .physical(let address): return .success(address)
    case .unknown: return .failure(.invalidArgument)
    }
  }

  // MARK: Bad blocks

  /// What the `badblocks` files say, as the shell prints them: the regions', then the block devices', whose sectors
  /// count from the data's start.
  private func badBlocks() -> String {
    let bad = machine.regions.filter { !$0.media.badBlocks.isEmpty }.sorted {
      $0.number < $1.number
    }
    let regions = bad.map { region in
      "bus/nd/devices/region\(region.number)/badblocks: "
        + Self.text(region.media.badBlocks.ranges)
    }
    let blocks = bad.filter(\.isBlock).compactMap { region -> String? in
      let start = region.dataOffset / BadBlocks.sectorSize
      let ranges = region.media.badBlocks.ranges.filter { $0.lowerBound >= start }
      guard !ranges.isEmpty else { return nil }
      return "block/\(region.device)/badblocks: "
        + Self.text(ranges.map { $0.lowerBound - start..<$0.upperBound - start })
    }
    return (regions + blocks).joined(separator: "\n")
  }

  private static func text(_ ranges: [Range<UInt64>]) -> String {
    ranges.map { "\($0.lowerBound) \($0.count)" }.joined(separator: " ")
  }
}
