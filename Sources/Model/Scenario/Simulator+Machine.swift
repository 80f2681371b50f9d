internal import DaxModel
internal import PageModel
internal import PmemBase

/// The machine's administration.
extension Simulator {
  /// What a command came to.
  struct CommandResult {
    var status = 0
    var output = ""
  }

  mutating func perform(_ operations: [MachineOperation]) -> CommandResult {
    var result = CommandResult()
    for operation in operations {
      let one = perform(operation)
      if one.status != 0 { result.status = one.status }
      if !one.output.isEmpty {
        result.output += (result.output.isEmpty ? "" : "\n") + one.output
      }
    }
    return result
  }

  mutating func perform(_ operation: MachineOperation) -> CommandResult {
    switch operation {
    case .disableNamespace(let namespace): return disable(namespace)
    case .enableNamespace(let namespace): return enable(namespace)
    case .sysctl("memory_failure_early_kill", let value):
      machine.earlyKill = value != 0
      return CommandResult()
    case .sysctl("memory_failure_recovery", let value):
      machine.recovers = value != 0
      return CommandResult()
    case .sysctl(let name, _):
      note("simulator", "vm.\(name) is not modelled")
      return CommandResult()
    default:
      note("simulator", "\(operation) is not modelled yet")
      return CommandResult()
    }
  }

  /// `ndctl disable-namespace` of a device-dax namespace: the driver goes under the mappings.
  ///
  /// Source: `kill_dev_dax`, drivers/dax/bus.c (v6.1, v7.3); oracle `devdax-disable-ns`.
  private mutating func disable(_ namespace: Int) -> CommandResult {
    guard let device = device(ofNamespace: namespace) else { return CommandResult(status: 1) }
    guard machine.devices[device].state != .gone else {
      return CommandResult(output: "disabled 0 namespaces")
    }
    machine.devices[device].state = .gone
    revoke(device, folios: 0..<Int(machine.devices[device].geometry.folioCount))
    machine.devices[device].pagemap.kill()
    note("kill_dev_dax", "\(machine.devices[device].name): not alive, unmapped from every process")
    return CommandResult(output: "disabled 1 namespace")
  }

  private mutating func enable(_ namespace: Int) -> CommandResult {
    guard let device = device(ofNamespace: namespace) else { return CommandResult(status: 1) }
    guard machine.devices[device].state == .gone else {
      return CommandResult(output: "enabled 0 namespaces")
    }
    _ = machine.addDevice(namespace)
    return CommandResult(output: "enabled 1 namespace")
  }

  /// The newest life of the namespace's device.
  private mutating func device(ofNamespace namespace: Int) -> Int? {
    guard namespace < 2 else { return nil }
    let name = "dax\(namespace).0"
    return machine.devices.lastIndex { $0.name == name } ?? machine.device(named: name)
  }
}
